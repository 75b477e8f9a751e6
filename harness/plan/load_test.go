package plan

import (
	"slices"
	"testing"
	"time"
)

// TestLoads: a workload has its own load, or its rate, or the plan's; before it
// stands the warm-up, and without a duration the load's length is that.
func TestLoads(t *testing.T) {
	p := parseOne(t, `
name: loads
seed: 9
target: {name: postgres}
warmup: 2s
workloads:
  - {name: register}
  - {name: set, rate: 7/s}
  - {name: queue, load: [{name: queued, rate: closed, for: 40s}]}
  - {name: lag}
load:
  - {rate: 500/s, to: 700/s, for: 30s}
  - {name: swing, rate: 700/s, sine: {amplitude: 100/s, period: 5s}, for: 10s}
claims: [load.p1.throughput > 400, load.swing.lag.p99 < 1s, load.queued.latency.p99 < 1s]
`)
	if p.Duration != 40*time.Second {
		t.Errorf("the plan lasts %s", p.Duration)
	}
	loads := p.Loads()
	if l := loads[0].Load; len(l) != 3 || l[0].Rate != 500 || l[0].To != 0 || l[0].For != 2*time.Second || l[2].Sine.Amplitude != 100 || loads[0].Seed != 9 {
		t.Errorf("the register's load is %+v", l)
	}
	if loads[1].Rate != 7 || loads[1].Load != nil || loads[3].Load != nil {
		t.Errorf("those without a load have %+v and %+v", loads[1], loads[3])
	}
	if l := loads[2].Load; len(l) != 2 || l[1].Name != "queued" {
		t.Errorf("the queue's load is %+v", l)
	}
	spans := p.LoadSpans()
	if len(spans) != 3 || spans[1].Name != "swing" || spans[1].Begin != 30*time.Second || spans[1].End != 40*time.Second || !slices.Equal(spans[2].Workloads, []string{"queue"}) {
		t.Errorf("the phases are %+v", spans)
	}
	if p.Workloads[0].Load != nil || p.Workloads[0].Seed != 0 {
		t.Error("the plan itself has changed")
	}
}
