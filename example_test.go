package aftershock_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// A test of one's own: does the store lose acknowledged writes when its primary
// is killed under load?
func ExampleRun() {
	runs, err := os.MkdirTemp("", "runs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(runs)

	plan := &aftershock.Plan{
		Name:      "kill-the-primary",
		Seed:      7,
		Target:    aftershock.Target{Name: "ripple", Replicas: 2, Options: map[string]string{"replication": "sync"}},
		Workloads: []workloads.Spec{{Type: "register", Clients: 4, Rate: 500}},
		Warmup:    200 * time.Millisecond,
		Duration:  3 * time.Second,
		Faults:    []faults.Spec{{At: time.Second, For: time.Second, Kind: "kill", Victim: "primary"}},
		Claims:    []string{"writes.lost == 0", "linearizable"},
	}
	result, err := aftershock.Run(context.Background(), plan, aftershock.Options{RunsDir: runs})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Verdict.Verdict)
	for _, claim := range result.Verdict.Claims {
		fmt.Println(claim.Claim, claim.Answer)
	}
	// Output:
	// holds
	// writes.lost == 0 holds
	// linearizable holds
}
