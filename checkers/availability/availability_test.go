package availability

import (
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

func TestAvailability(t *testing.T) {
	partition := func(id string, at int64, nodes ...string) history.Event {
		return history.Event{At: at * ms, Kind: history.EventFault, Fault: id, Name: "partition isolate", Nodes: nodes}
	}
	phases := []history.Event{phase("warmup", 0), phase("measure", 100), phase("heal", 1100), phase("settle", 1150), phase("final", 1200), phase("end", 1300)}
	roles := []history.Event{primary("n1", 1, 5)}
	ops := []history.Op{
		write(1, 10, 20, warm), write(2, 110, 120), read(2, 130, 140, by(1)), write(3, 150, 160),
		write(4, 190, 230), // under way when n1 is killed
		write(5, 210, 600, by(1), unknown), read(2, 220, 240, failed), cas(3, 9, 300, 320, compared),
		write(6, 450, 500, by(2)), write(8, 440, 700, by(3)), write(7, 900, 910), read(7, 1195, 1210, final),
	}
	kill := []history.Event{killed("f1", "n1", 200), healed("f1", 400)}
	tests := []struct {
		name   string
		events []history.Event
		want   string
	}{
		{"no fault", nil, "ops.ok=7 ops.rate=7 availability.write_gap.max=2.7e+08 failover.count=0 failover.max=? errors.rate=0.2 " +
			"errors.rate.before=0.2 errors.rate.during=? errors.rate.after=? errors.rate.f1=-"},
		{"primary killed", append(roles, kill...), "failover.count=1 failover.max=3e+08 errors.rate.before=0 errors.rate.during=0.5 errors.rate.after=0 errors.rate.f1=0.5 errors.rate.f1.before=0 errors.rate.f1.after=0"},
		{"replica killed", []history.Event{primary("n2", 1, 5), kill[0], kill[1]}, "failover.count=0 failover.max=? errors.rate.f1=0.5"},
		{"roles not known", kill, "failover.count=0 failover.max=?"},
		{"promoted before", append([]history.Event{primary("n3", 1, 5), {At: 150 * ms, Kind: history.EventFailover, Node: "n1", Epoch: 2}}, kill...), "failover.count=1"},
		{"an old primary still says so", append([]history.Event{primary("n1", 1, 5), primary("n2", 2, 20), primary("n1", 1, 30)}, kill...), "failover.count=0"},
		{"never again", append(roles, partition("f2", 905, "n1")), "failover.count=1 failover.max=? errors.rate.f2=0"},
		{"never again after the second", append(roles, kill[0], kill[1], partition("f2", 905, "n1")), "failover.count=2 failover.max=?"},
		{"all", append(roles, partition("f2", 420, "n1", "n2", "n3")), "failover.count=1 failover.max=8e+07"},
		{"could not be put into effect", append(roles, history.Event{At: 200 * ms, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n1"}, Failed: true}),
			"failover.count=0 errors.rate.f1=- errors.rate.during=?"},
		{"the primary came later", append([]history.Event{primary("n2", 1, 5), primary("n1", 2, 210)}, kill...), "failover.count=0"},
		{"the events came out of order", append([]history.Event{primary("n2", 2, 210), primary("n1", 1, 5)}, kill...), "failover.count=1"},
		{"a later write was acknowledged first", append(roles, partition("f2", 205, "n1"), partition("f3", 180, "n1")), "failover.count=2 failover.max=2.95e+08"},
		{"no fault of the primary's service", append(roles, history.Event{At: 200 * ms, Kind: history.EventFault, Fault: "f1", Name: "slow", Nodes: []string{"n1"}}), "failover.count=0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log := faulted(logOf(registerType, append([]history.Op(nil), ops...)...), append(append([]history.Event(nil), phases...), test.events...)...)
			values, _ := check(t, log)
			expect(t, values, test.want)
		})
	}
}

// TestGaps: instants come nearly in order, and few of them are kept.
func TestGaps(t *testing.T) {
	g := gaps{Stretch: kit.Stretch{Begin: 100, End: 10_000}, doubts: &kit.Doubts{}, last: 100}
	g.add(9000, 0)    // a long operation
	g.add(50, 0)      // before the stretch
	g.add(20_000, 10) // after it
	for at := int64(101); at <= 4000; at++ {
		if g.add(at, at); len(g.pending) > 1100 {
			t.Fatalf("%d instants are kept", len(g.pending))
		}
	}
	if got, sure := g.longestUntil(g.End); got != 5000 || sure != 5000 {
		t.Errorf("the longest gap is %d, want the 5000 between two instants", got)
	}
}

// TestOutageWithoutEnd: a write has to begin after the fault, and an outage
// that did not end hides the lengths of the others.
func TestOutageWithoutEnd(t *testing.T) {
	log := faulted(logOf(registerType), primary("n1", 1, 5), killed("f1", "n1", 100), healed("f1", 120), killed("f2", "n1", 200), healed("f2", 220))
	o := newOutages(kit.NewTimeline(log))
	for _, op := range []history.Op{write(1, 150, 160), write(2, 200, 210)} {
		o.ack(&op)
	}
	if got := o.values(&kit.Doubts{})[0]; got.Known || got.N != 0 || !strings.Contains(got.Why, "no write begun after f2") {
		t.Errorf("%+v", got)
	}
}

func BenchmarkAvailability(b *testing.B) { benchmark(b, clean, Checker()) }

func TestAvailabilityCases(t *testing.T) {
	log := logOf(registerType, write(1, 0, 5, warm), write(2, 290, 300), write(3, 410, 450, failed), write(4, 560, 590), write(5, 650, 660),
		write(6, 760, 770))
	log = faulted(log, phase("warmup", 0), phase("measure", 100), primary("n1", 1, 5), killed("f1", "n1", 310), healed("f1", 400),
		killed("f2", "n1", 500), healed("f2", 550), killed("f3", "n1", 700), healed("f3", 750), phase("heal", 800), phase("end", 900))
	values, _ := check(t, log)
	expect(t, values, "availability.write_gap.max=2.9e+08 failover.count=3 failover.max=2.8e+08 "+
		"errors.rate.f1.before=0 errors.rate.f1.after=1 errors.rate.f2.before=1 errors.rate.f2.after=0 errors.rate.f3.before=0 errors.rate.f3.after=0")
}

// TestAvailabilityOfTransactions: every load is measured, whatever its type.
func TestAvailabilityOfTransactions(t *testing.T) {
	for typ, kind := range map[string]history.Kind{appendType: history.Txn, counterType: history.Increment, bankType: history.Transfer} {
		log := logOf(typ, call(kind, 1, 110, 120), call(kind, 1, 350, 360, unknown), call(kind, 1, 500, 510))
		log = faulted(log, phase("measure", 100), primary("n1", 1, 5), killed("f1", "n1", 200), healed("f1", 250),
			killed("f2", "n1", 300), healed("f2", 400), phase("end", 600))
		values, _ := check(t, log)
		expect(t, values, "ops.ok=2 ops.rate=4 availability.write_gap.max=3.9e+08 failover.count=2 failover.max=3.1e+08 "+
			"errors.rate.f2=1 errors.rate.f1.after=? errors.rate.f2.after=0") // what met a fault stands around none
	}
	log := logOf(registerType, write(1, 0, 100), call(history.Mark, 1, 0, 50), call(history.Poll, 1, 60, 70, failed))
	log.Meta.Workloads = append(log.Meta.Workloads, history.WorkloadMeta{Name: lagType, Type: lagType, Keys: 1, Workers: 4})
	for i := range log.Ops {
		if !log.Ops[i].Kind.Load() {
			log.Ops[i].Workload = 1
		}
	}
	expect(t, must(check(t, log)), "ops.ok=1 errors.rate=0 availability.write_gap.max=1e+08") // lag is no load

	values, _ := check(t, logOf(idsType, call(history.Generate, 1, 0, 100)))
	expect(t, values, "ops.ok=1 availability.write_gap.max=?") // a number is no write
}
