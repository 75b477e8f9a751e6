package report

import (
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

const (
	ms  = resultstest.Ms
	sec = resultstest.Sec
)

var known = resultstest.Known

// sampleInput is resultstest's run with a plan whose claims come out in each way.
func sampleInput() results.Input {
	log := resultstest.Log()
	return results.Input{
		Plan: results.PlanInfo{
			Name: "postgres-async", About: "asynchronous replication loses acknowledged writes when the primary dies",
			Seed: 7, Host: "docker", Target: "postgres, synchronous_commit local", Replicas: 2, YAML: "name: postgres-async\nseed: 7\n",
			File: "plans/async.yaml", Line: 3,
		},
		Lines:  map[string]int{"writes.lost == 0": 21, "failover.max < 10s": 23},
		Claims: []string{"writes.lost == 0", "reads.staleness.p99 < 1s", "failover.max < 10s"},
		MinOps: 100,
		Planned: []results.PlannedFault{
			{ID: "f1", Kind: "kill", What: "primary", At: 2 * time.Second},
			{ID: "f2", Kind: "partition", What: "isolate replica", At: 6 * time.Second},
		},
		Log: log, Measured: results.MeasureFound(log, resultstest.Found()), Started: resultstest.Start,
		Dir: "runs/20260314T150926-postgres-async-7",
	}
}

func sampleVerdict(t *testing.T) *results.Verdict {
	t.Helper()
	return results.Judge(sampleInput())
}
