package redis

import (
	"context"
	"errors"
	"fmt"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var _ targets.Tasked = (*servers)(nil)

// tasksTold are what those who run Redis have it do.
func tasksTold() []targets.Task {
	return []targets.Task{
		{Name: "bgsave", About: "a child process writes a snapshot of all data (RDB), as a backup does"},
		{Name: "bgrewriteaof", About: "a child process writes the append-only file anew"},
		{Name: "memory-purge", About: "give memory that is free back to the kernel"},
	}
}

var tasks = kit.Tasks[*link]{
	"bgsave":       inBackground("BGSAVE", "rdb_bgsave_in_progress", "rdb_last_bgsave_status", "SCHEDULE"),
	"bgrewriteaof": inBackground("BGREWRITEAOF", "aof_rewrite_in_progress", "aof_last_bgrewrite_status"),
	"memory-purge": func(ctx context.Context, l *link) (string, error) {
		return redigo.String(l.ask(ctx, "MEMORY", "PURGE"))
	},
}

// inBackground has a child process do something and waits until it has ended well.
// The server starts it later if another one is at work, so that it is asked until
// none is, and what was scheduled is done.
func inBackground(command, busy, status string, args ...any) func(context.Context, *link) (string, error) {
	return func(ctx context.Context, l *link) (string, error) {
		if _, err := l.ask(ctx, command, args...); err != nil {
			return "", err
		}
		var state map[string]string
		var broken error // then nobody can be asked any more
		err := kit.Retry(ctx, retryEvery, command, func() error {
			text, err := redigo.String(l.ask(ctx, "INFO", "persistence"))
			if broken = err; err != nil {
				return nil
			}
			if state = parseInfo(text); state[busy] != "0" || state["aof_rewrite_scheduled"] == "1" {
				return fmt.Errorf("%s is %s", busy, state[busy])
			}
			return nil
		})
		switch {
		case err != nil || broken != nil:
			return "", errors.Join(err, broken)
		case state[status] != "ok":
			return "", fmt.Errorf("%s: %s is %s", command, status, state[status])
		}
		return status + " is ok", nil
	}
}

// Do implements targets.Tasked.
func (s *servers) Do(ctx context.Context, _ []*cluster.Node, n *cluster.Node, task string) (string, error) {
	return tasks.Do(ctx, s.operator.Dial, n, task)
}
