package faults

import "github.com/aftershock-chaos/aftershock/cluster"

// killKind: every process of the node dies at once, as when it loses power but
// for what the kernel had taken for the disk; the end starts the server again.
func killKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "kill", Victims: anyVictim(),
			About: "SIGKILL to every process of the node; its end starts the server again on the same data. The kernel lives: what was written but not synced is kept, and what was sent goes out: see power, crash"},
		Done:   "killed",
		Outage: true,
		Hold:   Down,
		Enter:  cluster.Action{Kind: cluster.Kill},
	}
}
