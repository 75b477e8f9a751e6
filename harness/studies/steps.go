package studies

import (
	"time"

	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/workloads"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// steady is the plan of a run at a rate without faults.
func steady(p *plan.Plan, rate float64) *plan.Plan {
	c := p.WithRate(rate)
	c.Faults = nil
	return c
}

// The phases of the load of a killed run, before question.OneLess: until the first
// fault, and from it on.
const (
	whole   = "whole"
	failing = "failing"
)

// killed is the plan of a run at a rate with the plan's faults. Its load is that of
// the steady one, in phases, so that there are facts of the last third, when the
// outage should be over and a node less is there.
func killed(p *plan.Plan, rate float64) *plan.Plan {
	c := p.WithRate(rate)
	last := c.Duration / 3
	begin := c.Duration - last
	for _, f := range c.Faults {
		begin = min(begin, f.At)
	}
	for i := range c.Workloads {
		w := &c.Workloads[i]
		if w.Rate <= 0 || !workloads.Paced(w.Type) {
			continue
		}
		for _, phase := range []pace.Phase{{Name: whole, For: begin}, {Name: failing, For: c.Duration - last - begin}, {Name: question.OneLess, For: last}} {
			if phase.Rate = w.Rate; phase.For >= time.Millisecond {
				w.Load = append(w.Load, phase)
			}
		}
		w.Rate = 0
	}
	return c
}
