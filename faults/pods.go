package faults

import (
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/schema"
)

// maxDeleteGrace is the longest that a plan may give a pod to end.
const maxDeleteGrace = 10 * time.Minute

// deleteKind: the end of a pod, as an eviction, a drain or a new release brings it. What
// comes in its place, and when, is the cluster's business.
func deleteKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "delete", Victims: anyVictim(),
			About: "attached pods: the pod is deleted as kubectl does it, first asked to end, then killed; its StatefulSet, or whatever owns it, makes it anew, with another address"},
		Done:     "deleted",
		Outage:   true,
		Instant:  true,
		Platform: true,
		Keys:     []schema.Key[Spec]{podGrace()},
		Does:     []cluster.ActionKind{cluster.Delete},
		Steps: func(p Planned, victims []int, _ Cluster) ([]Step, string) {
			var steps []Step
			for _, v := range victims {
				steps = append(steps, Step{Node: v, Begin: cluster.Action{Kind: cluster.Delete, Grace: p.Spec.Grace}})
			}
			return steps, ""
		},
	}
}

func podGrace() schema.Key[Spec] {
	return schema.Key[Spec]{Field: schema.Field{Name: "grace", Type: schema.Duration, Min: float64(time.Second), Max: float64(maxDeleteGrace), Absent: "the pod's own", Example: "1s",
		Meaning: "how long the pod may take to end before it is killed"},
		At: func(s *Spec) any { return &s.Grace }}
}

// drainKind: a machine is taken out of service for a while, as for an upgrade of its
// kernel. Pods of others stay on it: they are not what the plan may break.
func drainKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "drain", Victims: anyVictim(),
			About: "the machine of an attached pod is drained, as kubectl drain does it, of the deployment's pods alone: it takes no new pods, and theirs are evicted as their disruption budgets allow; its end lets pods in again"},
		Done:     "drained",
		Outage:   true,
		Platform: true,
		Keys:     []schema.Key[Spec]{podGrace()},
		Does:     []cluster.ActionKind{cluster.Drain, cluster.Uncordon},
		Steps: func(p Planned, victims []int, _ Cluster) ([]Step, string) {
			return onVictims(victims, cluster.Action{Kind: cluster.Drain, Grace: p.Spec.Grace}, cluster.Action{Kind: cluster.Uncordon}), ""
		},
	}
}

// cordonKind: what is on the machine goes on; what ends there comes back elsewhere, or not.
func cordonKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "cordon", Victims: anyVictim(),
			About: "the machine of an attached pod takes no new pods, as kubectl cordon has it: what ends there comes back elsewhere, or waits; its end lets pods in again"},
		Done:     "on a machine that took no new pods",
		Platform: true,
		Does:     []cluster.ActionKind{cluster.Cordon, cluster.Uncordon},
		Steps: func(_ Planned, victims []int, _ Cluster) ([]Step, string) {
			return onVictims(victims, cluster.Action{Kind: cluster.Cordon}, cluster.Action{Kind: cluster.Uncordon}), ""
		},
	}
}

// rolloutKind: a new release, or a new setting, of a StatefulSet: one pod after the
// other, each when the one before is ready.
func rolloutKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "rollout", Victims: []string{All},
			About: "an attached StatefulSet: every pod is replaced in turn, as kubectl rollout restart has it; it lasts until the last one runs"},
		Done:     "replaced in turn",
		Outage:   true,
		Instant:  true,
		Platform: true,
		Does:     []cluster.ActionKind{cluster.Rollout},
		Steps: func(_ Planned, victims []int, _ Cluster) ([]Step, string) {
			var steps []Step
			for _, v := range victims {
				steps = append(steps, Step{Node: v, Begin: cluster.Action{Kind: cluster.Rollout}})
			}
			return steps, ""
		},
	}
}
