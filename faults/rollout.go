package faults

import "github.com/aftershock-chaos/aftershock/cluster"

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
