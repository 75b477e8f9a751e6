package availability

import (
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// stall is a stretch in which the harness did not run; times are milliseconds.
func stall(begin, end int64) history.Event {
	return history.Event{At: begin * ms, Until: end * ms, Kind: history.EventUntrusted, Detail: "did not run"}
}

func demand(asked, stop, over int64, unsent ...history.Unsent) history.Event {
	for i := range unsent {
		unsent[i].From, unsent[i].Until = unsent[i].From*ms, unsent[i].Until*ms
	}
	return history.Event{At: over * ms, Kind: history.EventDemand, Name: registerType,
		Demand: &history.Demand{Asked: asked, Stop: stop * ms, Unsent: unsent}}
}

// steady is a write every 10 ms from 0 to 1000 ms, but for those of a gap.
func steady(begin, end int64) (ops []history.Op) {
	for at := int64(0); at < 1000; at += 10 {
		if at < begin || at >= end {
			ops = append(ops, write(at+1, at, at+1))
		}
	}
	return ops
}

func TestBounds(t *testing.T) {
	phases := []history.Event{phase("measure", 0), phase("heal", 1000)}
	for _, tc := range []struct {
		name   string
		ops    []history.Op
		events []history.Event
		want   map[string][2]float64 // 0: no upper bound
	}{
		{"nothing wrong", steady(0, 0), nil, map[string][2]float64{
			"ops.ok": {100, 100}, "ops.rate": {100, 100}, "availability.write_gap.max": {10e6, 10e6}, "errors.rate": {0, 0}, "load.rate": {100, 100}}},
		{"the harness stood still", steady(200, 900), []history.Event{stall(205, 900)}, map[string][2]float64{
			"ops.ok": {30, 0}, "ops.rate": {30, 30 / 0.305}, "availability.write_gap.max": {14e6, 710e6}, "errors.rate": {0, 0}}},
		{"the harness stood still for a moment in a long outage", steady(200, 900), []history.Event{stall(400, 450)}, map[string][2]float64{
			"availability.write_gap.max": {610e6, 710e6}}},
		{"the system stood still until the end", steady(600, 1000), []history.Event{demand(100, 1000, 1000, history.Unsent{From: 600, Until: 999, Count: 40})}, map[string][2]float64{
			"ops.ok": {60, 100}, "ops.rate": {60, 100}, "availability.write_gap.max": {409e6, 409e6}, "errors.rate": {0, 0.4}, "errors.rate.before": {0, 0.4},
			"load.unsent": {40, 40}, "load.asked": {100, 100}, "load.rate": {60, 60}}},
		{"the harness stood still until the end", steady(600, 1000), []history.Event{stall(605, 990), demand(100, 1000, 1000, history.Unsent{From: 600, Until: 999, Count: 40})}, map[string][2]float64{
			"load.unsent": {0, 40}}},
		{"nothing was intended any more", steady(500, 1000), []history.Event{demand(50, 500, 500)}, map[string][2]float64{
			"ops.rate": {100, 100}, "availability.write_gap.max": {10e6, 10e6}, "load.asked": {100, 100}, "load.unsent": {0, 0}}},
		{"the last answer took long", append(steady(500, 1000), write(9, 490, 590)), []history.Event{demand(51, 500, 500)}, map[string][2]float64{
			"ops.rate": {51 / 0.59, 51 / 0.59}, "load.rate": {102, 102}}},
		{"the last was sent late", append(steady(500, 1000), write(9, 590, 595)), []history.Event{demand(51, 500, 500)}, map[string][2]float64{
			"load.rate": {51 / 0.59, 51 / 0.59}}},
		{"a failure while the harness stood still", append(steady(200, 900), write(9, 300, 850, failed)), []history.Event{stall(290, 860)}, map[string][2]float64{
			"errors.rate": {0, 1. / 31}}},
		{"a failure when it ran", append(steady(200, 900), write(9, 300, 850, failed)), []history.Event{stall(905, 915)}, map[string][2]float64{
			"errors.rate": {1. / 31, 1. / 30}}},
		{"it slept through a failover", steady(200, 900), []history.Event{primary("n1", 1, 0), killed("f1", "n1", 200), healed("f1", 950), stall(220, 880)}, map[string][2]float64{
			"failover.max": {20e6, 701e6}}},
		{"it slept through the first failover of two", steady(200, 900), []history.Event{primary("n1", 1, 0), killed("f1", "n1", 200), healed("f1", 940), killed("f2", "n1", 950), healed("f2", 955), stall(220, 880)},
			map[string][2]float64{"failover.max": {20e6, 701e6}, "failover.count": {2, 2}}},
		{"it slept when there was none", steady(200, 600), []history.Event{primary("n1", 1, 0), killed("f1", "n1", 200), healed("f1", 500), stall(700, 990)}, map[string][2]float64{
			"failover.max": {401e6, 401e6}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			values, _ := check(t, faulted(logOf(registerType, tc.ops...), append(append([]history.Event{}, phases...), tc.events...)...))
			for name, want := range tc.want {
				v := values[name]
				exact := want[0] == want[1]
				if !near(v.N, want[0]) || !v.Known || v.AtLeast == exact || !exact && !near(v.AtMost, want[1]) {
					t.Errorf("%s is %+v, want %v", name, v, want)
				}
				if v.AtLeast && v.Why == "" {
					t.Errorf("%s is bounded for no reason", name)
				}
			}
		})
	}
}

func near(a, b float64) bool { return a-b < 1e-6*(1+b) && b-a < 1e-6*(1+b) }

func TestUntoldDemand(t *testing.T) {
	values, _ := check(t, faulted(logOf(registerType, steady(0, 0)...), phase("measure", 0), phase("heal", 1000)))
	for _, name := range []string{"load.asked", "load.unsent"} {
		if v := values[name]; v.Known || v.Why == "" {
			t.Errorf("%s of a run that does not tell is %+v", name, v)
		}
	}
	closed := demand(0, 1000, 1000)
	closed.Demand.Closed = true
	values, _ = check(t, faulted(logOf(registerType, steady(0, 0)...), phase("measure", 0), phase("heal", 1000), closed))
	if v := values["load.asked"]; v.Known {
		t.Errorf("a closed loop asks for %+v", v)
	}
	if v := values["load.unsent"]; v != (checkers.Value{Name: "load.unsent", Known: true}) {
		t.Errorf("a closed loop leaves unsent %+v", v)
	}
}
