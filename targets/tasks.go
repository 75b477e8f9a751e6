package targets

import (
	"context"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Task is something that those who run a system have one of its nodes do now and
// then: a compaction, a snapshot, a change of the leader.
type Task struct {
	Name  string // of a-z, 0-9 and -; in a plan after the target's name: "etcd.compact"
	About string // one line
}

// Tasked is implemented by Systems that can do the Tasks of their Info.
type Tasked interface {
	// Do has a node do one of them, by the operator's way, while clients are at work
	// and nodes fail. It returns within ctx, when that is done, with words about what
	// came of it, or with the node's own words about why it could not.
	Do(ctx context.Context, nodes []*cluster.Node, n *cluster.Node, task string) (words string, err error)
}

// TasksOf are the names of the tasks that a system of a target can do.
func TasksOf(t Target, s System) []string {
	var names []string
	if _, ok := s.(Tasked); ok {
		for _, task := range t.Info().Tasks {
			names = append(names, task.Name)
		}
	}
	return names
}
