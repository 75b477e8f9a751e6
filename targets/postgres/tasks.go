package postgres

import (
	"context"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var _ targets.Tasked = (*servers)(nil)

// asking is a task of one statement, which a server runs outside of a transaction.
func asking(sql string) func(context.Context, *session) (string, error) {
	return func(ctx context.Context, s *session) (string, error) {
		err := s.exec(ctx, sql)
		return s.tag, err
	}
}

// tasksTold are what maintenance of PostgreSQL is made of.
func tasksTold() []targets.Task {
	return []targets.Task{
		{Name: "checkpoint", About: "write all changed pages to the disk now, on a replica a restart point"},
		{Name: "vacuum", About: "free the dead rows of every table; the primary's alone"},
		{Name: "vacuum-full", About: "write every table anew, each locked meanwhile; the primary's alone"},
		{Name: "analyze", About: "count the tables for the planner; the primary's alone"},
		{Name: "reindex", About: "build every index of the database anew, each locked meanwhile; the primary's alone"},
		{Name: "switch-wal", About: "end the segment of the write-ahead log; the primary's alone"},
	}
}

var tasks = kit.Tasks[*session]{
	"checkpoint":  asking("CHECKPOINT"),
	"vacuum":      asking("VACUUM"),
	"vacuum-full": asking("VACUUM FULL"),
	"analyze":     asking("ANALYZE"),
	"reindex":     asking("REINDEX DATABASE postgres"),
	"switch-wal": func(ctx context.Context, s *session) (string, error) {
		at, err := s.value(ctx, "SELECT pg_switch_wal()")
		return "at " + at, err
	},
}

// Do implements targets.Tasked.
func (s *servers) Do(ctx context.Context, _ []*cluster.Node, n *cluster.Node, task string) (string, error) {
	return tasks.Do(ctx, s.operators.Dial, n, task)
}
