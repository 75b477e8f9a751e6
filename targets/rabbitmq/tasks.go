package rabbitmq

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var _ targets.Tasked = (*System)(nil)

// tasksTold are what maintenance of RabbitMQ is made of.
func tasksTold() []targets.Task {
	return []targets.Task{
		{Name: "force-gc", About: "have all of the node's processes collect their garbage"},
		{Name: "maintenance", About: "put the node into maintenance mode and out again: it closes its clients' connections and gives its leaders away"},
		{Name: "rebalance", About: "spread the leaders of queues over the nodes"},
	}
}

// tools are RabbitMQ's own programs on a node, beside its server.
type tools struct{ *cluster.Node }

func (tools) Close() error { return nil }

var tasks = kit.Tasks[tools]{
	"force-gc":    running([]string{"rabbitmqctl", "force_gc"}),
	"maintenance": running([]string{"rabbitmq-upgrade", "drain"}, []string{"rabbitmq-upgrade", "revive"}),
	"rebalance":   running([]string{"rabbitmq-queues", "rebalance", "all"}),
}

// running is a task of commands, one after the other.
func running(commands ...[]string) func(context.Context, tools) (string, error) {
	return func(ctx context.Context, on tools) (string, error) {
		for _, command := range commands {
			if err := on.run(ctx, command...); err != nil {
				return "", err
			}
		}
		return "", nil
	}
}

// Do implements targets.Tasked.
func (s *System) Do(ctx context.Context, _ []*cluster.Node, n *cluster.Node, task string) (string, error) {
	return tasks.Do(ctx, func(_ context.Context, n *cluster.Node) (tools, error) { return tools{n}, nil }, n, task)
}

// preferred is a shell's script that runs a program with the arguments after it, and prefers
// those beside a server's own script, of one of the patterns, to what the PATH has:
// Debian's wrappers there take the cookie of the machine's own server, from a home that a
// node does not have.
func preferred(patterns []string) string {
	var script strings.Builder
	for _, pattern := range patterns {
		fmt.Fprintf(&script, `for d in %s; do PATH="$d:$PATH"; done; `, path.Dir(pattern))
	}
	return script.String() + `exec "$@"`
}

// run runs one of the programs. Its error has the program's words.
func (on tools) run(ctx context.Context, command ...string) error {
	said, err := on.Run(ctx, cluster.ServerSpec{
		Command: append([]string{"sh", "-c", preferred(server.Search), "sh"}, command...), User: user,
		Env: map[string]string{"HOME": cluster.DataDir, "RABBITMQ_NODENAME": nodeName(on.Node), "RABBITMQ_USE_LONGNAME": "true"},
	})
	if err != nil {
		return fmt.Errorf("%s on %s: %w: %.200s", strings.Join(command, " "), on.Name, err, said)
	}
	return nil
}
