package faults

import "github.com/aftershock-chaos/aftershock/cluster"

// crashKind: the death of a whole machine, and of a deployment that somebody else
// runs the death of a server as if by itself, so that its own supervision starts it
// again: a restart policy, systemd. A kill takes that away and keeps it down.
func crashKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "crash", Victims: anyVictim(),
			About: "the machine dies: power and network at one instant, with what was not synced and what its kernel had not sent yet. Attached nodes: the server, or one `process`, dies as if by itself; whoever supervises it may start it again"},
		Done:    "crashed",
		Outage:  true,
		Process: true,
		Instant: true,
		Hold:    Down,
		Enter:   cluster.Action{Kind: cluster.Power, Loss: &cluster.Loss{Network: true}},
		Keys:    nil,
		Needs:   needVolume,
		enter:   losing(true),
		verify:  verifyCrash,
		There: func(k Kind) Kind {
			k.Hold, k.Enter, k.enter = NoHold, cluster.Action{}, nil
			k.Does = []cluster.ActionKind{cluster.Crash}
			k.Steps = func(p Planned, victims []int, _ Cluster) ([]Step, string) {
				var steps []Step
				for _, v := range victims {
					steps = append(steps, Step{Node: v, Begin: cluster.Action{Kind: cluster.Crash, Process: p.Spec.Process}})
				}
				return steps, ""
			}
			return k
		},
	}
}

// verifyCrash: that a machine was gone is seen without what it lost.
func verifyCrash(e Evidence) (string, bool) {
	words, ok := verifyPower(e)
	if !ok {
		words = ""
	}
	return words, true
}
