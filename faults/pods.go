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
		Keys: []schema.Key[Spec]{
			{Field: schema.Field{Name: "grace", Type: schema.Duration, Min: float64(time.Second), Max: float64(maxDeleteGrace), Absent: "the pod's own", Example: "1s",
				Meaning: "how long the pod may take to end before it is killed"},
				At: func(s *Spec) any { return &s.Grace }},
		},
		Does: []cluster.ActionKind{cluster.Delete},
		Steps: func(p Planned, victims []int, _ Cluster) ([]Step, string) {
			var steps []Step
			for _, v := range victims {
				steps = append(steps, Step{Node: v, Begin: cluster.Action{Kind: cluster.Delete, Grace: p.Spec.Grace}})
			}
			return steps, ""
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
