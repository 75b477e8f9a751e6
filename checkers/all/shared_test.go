package all

import (
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

func TestTimelineCases(t *testing.T) {
	kill := []history.Event{killed("f1", "n1", 200), healed("f1", 400)}
	for _, tc := range []struct {
		name   string
		ops    []history.Op
		events []history.Event
		want   string
	}{
		{"without phases the load was measured", []history.Op{add(1, 0, 10, warm), add(2, 500, 1400), readSet(600, 700, els(2), by(1)), readSet(1450, 1500, els(2)), readSet(9000, 9010, els(2), final)},
			nil, "ops.rate=3"},
		{"within another fault's time", []history.Op{add(1, 10, 20), add(2, 500, 510, failed)},
			[]history.Event{killed("f1", "n1", 100), killed("f2", "n2", 200), healed("f2", 300), healed("f1", 1000)}, "errors.rate.before=0 errors.rate.during=1 errors.rate.after=?"},
		{"at the very ends of a fault", []history.Op{add(1, 100, 200, failed), add(2, 400, 500, failed)}, kill, "errors.rate.before=? errors.rate.during=1 errors.rate.after=?"},
		{"the primary since the fault began", nil, append([]history.Event{primary("n1", 1, 200)}, kill...), "failover.count=1"},
		{"the later of two primaries of one epoch", nil, append([]history.Event{primary("n1", 1, 5), primary("n2", 1, 20)}, kill...), "failover.count=0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			values, _ := check(t, faulted(logOf(setType, tc.ops...), tc.events...))
			expect(t, values, tc.want)
		})
	}
}

// TestGroupsOfTwoWorkloads: what has the same key and type may be of another
// workload.
func TestGroupsOfTwoWorkloads(t *testing.T) {
	other := add(1, 20, 30)
	other.Workload = 1
	log := logOf(setType, add(1, 0, 10), readSet(40, 50, nil), readSet(60, 70, els(1)), other)
	log.Meta.Workloads = append(log.Meta.Workloads, log.Meta.Workloads[0])
	values, _ := check(t, log)
	expect(t, values, "set.acked=2 set.stale=1 set.never_seen=0..1") // were it one, 1 was added twice
}

// TestGroupsOfUnorderedLog: the order of a log says nothing, the times do.
func TestGroupsOfUnorderedLog(t *testing.T) {
	log := logOf(queueType, enqueue(1, 0, 10), enqueue(2, 20, 30), drain(900, 910, els(1), failed), drain(1000, 1010, nil))
	slices.Reverse(log.Ops)
	values, _ := check(t, log)
	expect(t, values, "queue.lost=1")
}

func TestAvailabilityWithoutPhases(t *testing.T) {
	values, _ := check(t, logOf(setType, add(1, 100, 200), add(2, 300, 600), readSet(50, 1050, els(1, 2))))
	expect(t, values, "ops.ok=3 ops.rate=3 availability.write_gap.max=4.5e+08 errors.rate=0 errors.rate.before=0")
	values, _ = check(t, logOf(registerType, read(history.Nil, 0, 10)))
	expect(t, values, "availability.write_gap.max=? ops.ok=1")
	values, _ = check(t, logOf(registerType))
	expect(t, values, "ops.rate=? ops.ok=0 errors.rate=? linearizable=? reads.staleness.p50=? writes.lost=?")
	values, _ = check(t, logOf(registerType, write(1, 0, 10, unknown), write(2, 10, 500, unknown, by(1))))
	expect(t, values, "availability.write_gap.max=5e+08 errors.rate=1 ops.rate=0")
}
