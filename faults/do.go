package faults

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
)

// TaskKind is the name of the fault that has a task of the target's done.
const TaskKind = "do"

// doKind: what those who run a system have it do now and then, such as a
// compaction. It is to do no harm, so that a failover is not measured from it.
func doKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: TaskKind, Victims: anyVictim(),
			About: "a task of those who run the system, such as a compaction: TARGET.TASK, see `list targets NAME`; it lasts until it is done, 2m at most, and fails if that does"},
		Done:      "told to do a task",
		Anywhere:  true,
		Instant:   true,
		VictimKey: "on",
		Alone:     "task",
		Usual:     Primary,
		Keys: []schema.Key[Spec]{
			{Field: schema.Field{Name: "task", Type: schema.Text, Required: true, Example: "etcd.compact",
				Meaning: "what is done: one of the target's tasks, after the target's name"},
				At: func(s *Spec) any { return &s.Task }},
		},
		Steps: func(p Planned, victims []int, _ Cluster) ([]Step, string) {
			var steps []Step
			for _, v := range victims {
				steps = append(steps, Step{Node: v, Begin: cluster.Action{Kind: cluster.Do, Task: taskOf(p.Spec)}})
			}
			return steps, p.Spec.Task
		},
	}
}

// taskOf is a task without its target's name.
func taskOf(s Spec) string {
	_, task, _ := strings.Cut(s.Task, ".")
	return task
}

// CheckTasks refuses a task that is none of a target's.
func CheckTasks(s Spec, target string, tasks []string) error {
	for _, one := range append(slices.Clone(s.Pick), s) {
		if k, _ := Lookup(one.Kind); k.Name == "" || one.Task == "" {
			continue
		}
		known := make([]string, len(tasks))
		for i, task := range tasks {
			known[i] = target + "." + task
		}
		switch {
		case len(known) == 0:
			return fmt.Errorf("fault %q: target %s has no tasks here: leave it out, or use exec with a command of your own", one.Title(), target)
		case !slices.Contains(known, one.Task):
			return fmt.Errorf("fault %q: target %s has no task %q; %s", one.Title(), target, spelling.Short(one.Task), spelling.DidYouMean(one.Task, known))
		}
	}
	return nil
}
