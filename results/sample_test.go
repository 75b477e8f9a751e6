package results

import (
	"time"

	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

func sampleInput() Input {
	log := resultstest.Log()
	return Input{
		Plan: PlanInfo{
			Name: "postgres-async", About: "asynchronous replication loses acknowledged writes when the primary dies",
			Seed: 7, Host: "docker", Target: "postgres, synchronous_commit local", Replicas: 2, YAML: "name: postgres-async\nseed: 7\n",
		},
		Claims: []string{"writes.lost == 0", "reads.staleness.p99 < 1s", "failover.max < 10s"},
		MinOps: 100,
		Planned: []PlannedFault{
			{ID: "f1", Kind: "kill", What: "primary", At: 2 * time.Second},
			{ID: "f2", Kind: "partition", What: "isolate replica", At: 6 * time.Second},
		},
		Log: log, Measured: MeasureFound(log, resultstest.Found()), Started: resultstest.Start, Dir: "runs/20260314T150926-postgres-async-7",
	}
}
