package mariadb

import (
	"context"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var _ targets.Tasked = (*questions)(nil)

// tasksTold are what maintenance of MariaDB is made of.
func tasksTold() []targets.Task {
	return []targets.Task{
		{Name: "optimize", About: "write the table of the registers anew, for replicas too"},
		{Name: "analyze", About: "count the table of the registers for the planner"},
		{Name: "flush-binary-logs", About: "end the binary log's file, and begin another"},
		{Name: "flush-tables", About: "close all tables, each when nobody uses it"},
	}
}

// asking is a task of statements, whose answers say nothing that counts.
func asking(sql ...string) func(context.Context, *session) (string, error) {
	return func(ctx context.Context, s *session) (string, error) {
		for _, one := range sql {
			if _, err := s.row(ctx, one); err != nil {
				return "", err
			}
		}
		return "", nil
	}
}

var tasks = kit.Tasks[*session]{
	"optimize":          asking("OPTIMIZE TABLE registers"),
	"analyze":           asking("ANALYZE TABLE registers"),
	"flush-binary-logs": asking("FLUSH BINARY LOGS"),
	"flush-tables":      asking("FLUSH TABLES"),
}

// Do implements targets.Tasked.
func (q *questions) Do(ctx context.Context, _ []*cluster.Node, n *cluster.Node, task string) (string, error) {
	return tasks.Do(ctx, q.operator.Dial, n, task)
}
