package rabbitmq

import (
	"context"
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
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

// tasks are the commands that each is made of.
var tasks = map[string][][]string{
	"rebalance":   {{"rabbitmq-queues", "rebalance", "all"}},
	"force-gc":    {{"rabbitmqctl", "force_gc"}},
	"maintenance": {{"rabbitmq-upgrade", "drain"}, {"rabbitmq-upgrade", "revive"}},
}

// Do implements targets.Tasked.
func (s *System) Do(ctx context.Context, _ []*cluster.Node, n *cluster.Node, task string) (string, error) {
	commands, ok := tasks[task]
	if !ok {
		return "", fmt.Errorf("there is no task %q", task)
	}
	for _, command := range commands {
		if err := tool(ctx, n, command...); err != nil {
			return "", err
		}
	}
	return "", nil
}

// tool runs one of RabbitMQ's own programs on a node, beside its server. Its error has the
// program's words.
func tool(ctx context.Context, n *cluster.Node, command ...string) error {
	said, err := n.Run(ctx, cluster.ServerSpec{
		Command: command, User: user,
		Env: map[string]string{"HOME": cluster.DataDir, "RABBITMQ_NODENAME": nodeName(n), "RABBITMQ_USE_LONGNAME": "true"},
	})
	if err != nil {
		return fmt.Errorf("%s on %s: %w: %.200s", strings.Join(command, " "), n.Name, err, said)
	}
	return nil
}
