package register

import (
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// knownClean is what a register without any anomaly measures.
const knownClean = "writes.lost=0 writes.lost_updates=0 writes.resurrected=0 reads.phantom=0 reads.future=0 reads.stale=0 replicas.diverged=0 " +
	"linearizable=1 sessions.read_your_writes=0 sessions.monotonic_reads=0 sessions.monotonic_writes=0 sessions.writes_follow_reads=0 reads.order_flips=0"

var knownRegisters = []struct {
	name    string
	ops     []history.Op
	want    string
	classes string
}{
	{"clean", with(finals(2, 2, 2), write(1, 0, 10), read(1, 5, 20, by(1)), write(2, 30, 40), read(2, 50, 60)), knownClean + " writes.acked=2 reads.ok=2 reads.delta_atomicity=0", ""},
	{"never written", with(finals(nothing, nothing, nothing), read(nothing, 0, 10)), knownClean, ""},
	{"unknown seen late", with(finals(1, 1, 1), write(1, 0, 10, unknown), read(nothing, 20, 30, by(1)), read(1, 40, 50, by(1))), knownClean + " writes.unknown=1", ""},
	{"unknown never seen", with(finals(2, 2, 2), write(1, 0, 10, unknown), write(2, 20, 30, by(1))), knownClean, ""},
	{"failed never seen", with(finals(2, 2, 2), write(1, 0, 10, failed), write(2, 20, 30, by(1))), knownClean + " writes.failed=1", ""},
	{"failed comparison that saw", with(finals(1, 1, 1), write(1, 0, 10), cas(7, 8, 20, 30, found(1))), knownClean + " writes.failed=0", ""},
	{"effective chain", with(finals(3, 3, 3), write(1, 0, 10), cas(1, 2, 20, 30), cas(2, 3, 40, 50, unknown), read(3, 60, 70, by(1))), knownClean + " writes.acked=2", ""},
	{"concurrent writes in either order", with(finals(1, 1, 1), write(1, 0, 100), write(2, 10, 90, by(1)), read(2, 20, 30, by(2)), read(1, 40, 200, by(2))), knownClean, ""},
	{"ties are concurrent", with(finals(2, 2, 2), write(1, 0, 10), write(2, 10, 20, by(1)), read(1, 20, 20, by(2))), knownClean, ""},

	{"an end before its start", with(finals(2, 2, 2), write(1, 0, 10), write(2, 30, 20), read(1, 25, 26, by(1))), knownClean, ""},

	{"lost", with(finals(1, 1, 1), write(1, 0, 10), write(2, 20, 30)), "writes.lost=1 linearizable=1 replicas.diverged=0", "lost-write"},
	{"two lost", with(finals(1, 1, 1), write(1, 0, 10), write(2, 20, 30), write(3, 40, 50)), "writes.lost=2", "lost-write"},
	{"lost to nothing", with(finals(nothing, nothing, nothing), write(1, 0, 10)), "writes.lost=1", "lost-write"},
	{"lost compare-and-set", with(finals(1, 1, 1), write(1, 0, 10), cas(1, 2, 20, 30)), "writes.lost=1", "lost-write"},
	{"lost though the last write is seen by a read only", with(finals(1, 1, 1), write(1, 0, 100), read(1, 10, 20, by(1)), write(2, 30, 40, by(2))), "writes.lost=1", "lost-write"},
	{"not lost, for it may be older", with(finals(1, 1, 1), write(1, 0, 100), write(2, 30, 40, by(2))), "writes.lost=0", ""},
	{"not lost, for an unknown write may have come late", with(finals(1, 1, 1), write(1, 0, 10, unknown), write(2, 30, 40, by(2))), "writes.lost=0", ""},
	{"missing from one node", with(finals(2, 1, 2), write(1, 0, 10), write(2, 20, 30)), "writes.lost=0 replicas.diverged=1", "diverged-replicas"},
	{"lost and diverged", with(finals(2, 1, 2), write(1, 0, 10), write(2, 20, 30), write(3, 40, 50)), "writes.lost=1 replicas.diverged=1", "diverged-replicas lost-write"},
	{"no final reads", []history.Op{write(1, 0, 10), write(2, 20, 30)}, "writes.lost=? replicas.diverged=? linearizable=1", ""},
	{"final reads failed", []history.Op{write(1, 0, 10), read(0, 100, 110, final, failed)}, "writes.lost=? replicas.diverged=?", ""},
	{"one node answered", with(finals(1), write(1, 0, 10), write(2, 20, 30)), "writes.lost=1 replicas.diverged=?", "lost-write"},
	{"another key was not read", with(finals(1, 1, 1), write(1, 0, 10), write(9, 20, 30, key(3))), "writes.lost=? replicas.diverged=0", ""},
	{"lost though another key was not read", with(finals(1, 1, 1), write(1, 0, 10), write(2, 20, 30), write(9, 20, 30, key(3))), "writes.lost=1", "lost-write"},

	{"resurrected", with(finals(1, 1, 1), write(1, 0, 10, failed), read(1, 20, 30, by(1))), "writes.resurrected=1 linearizable=0", "not-linearizable resurrected-write"},
	{"resurrected at the end", with(finals(1, 1, 1), write(1, 0, 10, failed)), "writes.resurrected=1 linearizable=?", "resurrected-write"},
	{"failed compare-and-set that took effect", with(finals(2, 2, 2), write(1, 0, 10), cas(1, 2, 20, 30, found(1)), read(2, 40, 50)), "writes.resurrected=1 linearizable=0", "not-linearizable resurrected-write"},
	{"phantom", with(finals(1, 1, 1), write(1, 0, 10), read(77, 20, 30)), "reads.phantom=1 linearizable=0 reads.delta_atomicity=?", "not-linearizable phantom-value"},
	{"phantom seen by a failed comparison", with(finals(1, 1, 1), write(1, 0, 10), cas(1, 2, 20, 30, found(77))), "reads.phantom=1 linearizable=0", "not-linearizable phantom-value"},
	{"future", with(finals(1, 1, 1), read(1, 0, 10, by(1)), write(1, 20, 30)), "reads.future=1 linearizable=0 writes.lost=?", "future-read not-linearizable"},

	{"stale", with(finals(2, 2, 2), write(1, 0, 10), write(2, 20, 30), read(1, 50, 60, by(1))), "reads.stale=1 reads.staleness.max=2e+07 reads.delta_atomicity=2e+07 reads.version_lag.max=1 reads.n1.stale=1 reads.n2.stale=0 reads.n2.staleness.p99=? reads.staleness.before.p99=2e+07 reads.staleness.during.p99=? reads.staleness.p50=2e+07 reads.stale_ratio=1 linearizable=0 writes.lost=0", "not-linearizable stale-read"},
	{"stale by what was read, not acknowledged", with(finals(2, 2, 2), write(1, 0, 10), write(2, 20, 100, unknown, by(9)), read(2, 30, 40, by(2)), read(1, 50, 60, by(1))), "reads.stale=1 reads.staleness.max=1e+07", "not-linearizable stale-read"},
	{"stale nothing", with(finals(1, 1, 1), write(1, 0, 10), read(nothing, 20, 30, by(1))), "reads.stale=1 reads.staleness.max=1e+07 linearizable=0", "not-linearizable stale-read"},
	{"stale after compare-and-set", with(finals(2, 2, 2), write(1, 0, 100), cas(1, 2, 5, 20, by(1)), read(1, 50, 60, by(2))), "reads.stale=1 reads.staleness.max=3e+07 linearizable=0", "not-linearizable stale-read"},
	{"order flip", with(finals(2, 2, 2), write(1, 0, 100), write(2, 0, 100, by(1)), read(1, 10, 20, by(2)), read(2, 25, 30, by(3)), read(1, 35, 40, by(4))), "linearizable=0 reads.order_flips=1 reads.delta_atomicity=5e+06", "not-linearizable order-flip"},
	{"order flip without a stale read", with(finals(2, 2, 2), write(1, 0, 100), write(2, 0, 100, by(1)), read(1, 10, 20, by(2)), read(2, 30, 40, by(2)),
		read(2, 10, 21, by(3)), read(1, 31, 41, by(3))), "linearizable=0 reads.stale=0 sessions.monotonic_reads=0 reads.order_flips=1 reads.delta_atomicity=1e+07", "not-linearizable order-flip"},
	{"lost update", with(finals(3, 3, 3), write(1, 0, 10), cas(1, 2, 20, 100), cas(1, 3, 20, 100, by(1)), read(1, 0, 100, by(5))), "linearizable=0 writes.lost_updates=1 reads.stale=0 reads.delta_atomicity=?", "lost-update not-linearizable"},
	{"lost update of unknown outcome", with(finals(3, 3, 3), write(1, 0, 10), cas(1, 2, 20, 100, unknown), cas(1, 3, 20, 100, by(1), unknown), read(2, 30, 200, by(2)), read(3, 30, 200, by(3))), "linearizable=0 writes.lost_updates=1", "lost-update not-linearizable"},
	{"lost updates, not one of them right", with(finals(4, 4, 4), write(1, 0, 10), write(2, 20, 30), cas(1, 3, 40, 100), cas(1, 4, 40, 100, by(1))), "linearizable=0 writes.lost_updates=2", "lost-update not-linearizable"},
	{"no lost update, for the write may have come first", with(finals(3, 3, 3), write(1, 0, 100), write(2, 20, 30, by(1)), cas(1, 3, 40, 50, by(2))), "writes.lost_updates=0 linearizable=1", ""},
	{"replaced in a circle that nobody saw", []history.Op{cas(2, 1, 0, 10, unknown), cas(1, 2, 0, 10, by(1), unknown), read(history.Nil, 20, 30)}, "linearizable=1", ""},
	{"replaced in a circle, and read", []history.Op{cas(2, 1, 0, 10, unknown), cas(1, 2, 0, 10, by(1), unknown), read(1, 20, 30, by(2))}, "linearizable=0", "not-linearizable"},
	{"replaced in a circle", []history.Op{cas(2, 1, 0, 10), cas(1, 2, 0, 10, by(1))}, "linearizable=0", "not-linearizable"},
	{"let a failed comparison through", with(finals(3, 3, 3), write(1, 0, 10), write(2, 20, 30), cas(1, 3, 40, 50)), "linearizable=0 writes.lost_updates=1 writes.lost=0", "lost-update not-linearizable"},
	{"a link out of place", with(finals(3, 3, 3), write(1, 0, 10), cas(1, 2, 20, 30), cas(2, 3, 40, 50), read(2, 60, 70, by(1))), "linearizable=0 reads.stale=1", "not-linearizable stale-read"},

	{"read your writes", with(finals(2, 2, 2), write(1, 0, 10, by(1)), write(2, 20, 30, by(2)), read(1, 40, 50, by(2))), "sessions.read_your_writes=1 sessions.monotonic_reads=0", "not-linearizable read-your-writes stale-read"},
	{"somebody else's write", with(finals(2, 2, 2), write(1, 0, 10, by(1)), write(2, 20, 30, by(2)), read(1, 40, 50, by(3))), "sessions.read_your_writes=0 sessions.monotonic_reads=0", "not-linearizable stale-read"},
	{"own write of unknown outcome", with(finals(2, 2, 2), write(1, 0, 10, by(1)), write(2, 20, 30, by(2), unknown), read(1, 40, 50, by(2))), "sessions.read_your_writes=0", ""},
	{"monotonic reads", with(finals(2, 2, 2), write(1, 0, 10), write(2, 20, 30, by(9)), read(2, 35, 36, by(2)), read(1, 40, 50, by(2))), "sessions.read_your_writes=0 sessions.monotonic_reads=1", "monotonic-reads not-linearizable stale-read"},
	{"monotonic writes", with(finals(2, 2, 2), write(1, 0, 10, by(1)), write(2, 20, 30, by(1)), read(2, 35, 36, by(2), node(1)), read(1, 40, 50, by(3), node(1))),
		"sessions.monotonic_writes=1 sessions.writes_follow_reads=0 sessions.monotonic_reads=0", "monotonic-writes not-linearizable stale-read"},
	{"not monotonic writes, for another node may be behind", with(finals(2, 2, 2), write(1, 0, 10, by(1)), write(2, 20, 30, by(1)), read(2, 35, 36, by(2), node(1)), read(1, 40, 50, by(3), node(2))),
		"sessions.monotonic_writes=0 sessions.writes_follow_reads=0", "not-linearizable stale-read"},
	{"not monotonic writes, for two clients wrote", with(finals(2, 2, 2), write(1, 0, 10, by(1)), write(2, 20, 30, by(2)), read(2, 35, 36, by(3), node(1)), read(1, 40, 50, by(4), node(1))),
		"sessions.monotonic_writes=0 sessions.writes_follow_reads=0", "not-linearizable stale-read"},
	{"not monotonic writes, for the reads overlap", with(finals(2, 2, 2), write(1, 0, 10, by(1)), write(2, 20, 30, by(1)), read(2, 35, 45, by(3), node(1)), read(1, 40, 50, by(4), node(1))),
		"sessions.monotonic_writes=0 sessions.writes_follow_reads=0", "not-linearizable stale-read"},
	{"writes follow reads", with(finals(2, 2, 2), write(1, 0, 10, by(1)), read(1, 12, 15, by(2)), write(2, 20, 30, by(2)), read(2, 35, 36, by(3), node(1)), read(1, 40, 50, by(4), node(1))),
		"sessions.writes_follow_reads=1 sessions.monotonic_writes=0", "not-linearizable stale-read writes-follow-reads"},
	{"monotonic reads of several clients", with(finals(2, 2, 2), write(1, 0, 10), write(2, 20, 30, by(9)), read(2, 35, 36, by(2)), read(1, 40, 50, by(3))), "sessions.monotonic_reads=0", "not-linearizable stale-read"},
}

func TestKnownRegisters(t *testing.T) {
	for _, test := range knownRegisters {
		t.Run(test.name, func(t *testing.T) {
			values, findings := check(t, logOf(registerType, test.ops...))
			expect(t, values, test.want)
			if got := classes(findings); got != test.classes {
				t.Errorf("findings of classes %q, want %q", got, test.classes)
			}
			for _, f := range findings {
				t.Log(f.Class, f.Text)
			}
		})
	}
}

func TestTornRegisters(t *testing.T) {
	tests := []struct {
		name string
		ops  []history.Op
		want string
	}{
		{"clean", with(finals(1, 1, 1), write(1, 0, 10), read(1, 20, 30)),
			"linearizable=? writes.lost=? reads.stale=? reads.phantom=? reads.staleness.max=? writes.resurrected=? sessions.read_your_writes=? replicas.diverged=? writes.acked=1 reads.ok=1 " +
				"reads.delta_atomicity=? reads.order_flips=? reads.version_lag.max=? reads.n1.stale=? reads.n1.staleness.p99=? reads.staleness.before.p99=? sessions.monotonic_writes=? sessions.writes_follow_reads=?"},
		{"the write of what was read is missing", with(finals(9, 9, 9), write(1, 0, 10), read(7, 20, 30), cas(8, 9, 30, 40, by(2))), "linearizable=? reads.phantom=? writes.lost=?"},
		{"lost on every node", with(finals(1, 1, 1), write(1, 0, 10), write(2, 20, 30)), "writes.lost=1"},
		{"a node's final read is missing", with(finals(1, 1), write(1, 0, 10), write(2, 20, 30)), "writes.lost=?"},
		{"stale all the same", with(finals(2, 2), write(1, 0, 10), write(2, 20, 30), read(1, 50, 60, by(1))), "reads.stale=1 linearizable=0 reads.staleness.max=? reads.n1.stale=1 reads.delta_atomicity=2e+07"},
		{"resurrected all the same", with(finals(1, 1), write(1, 0, 10, failed), read(1, 50, 60, by(1))), "writes.resurrected=1 linearizable=0"},
		{"one more write of a value is missing", []history.Op{write(1, 0, 10), write(2, 20, 30), write(1, 40, 50), write(3, 60, 70), read(1, 80, 90)}, "linearizable=? reads.stale=?"},
		{"one more deletion is missing", []history.Op{write(1, 0, 10), write(history.Nil, 20, 30), write(2, 40, 50), read(history.Nil, 60, 70)}, "linearizable=? reads.stale=?"},
		{"what expects a value may follow one more write of it", []history.Op{write(1, 0, 10), write(1, 20, 30), write(2, 40, 50), cas(1, 3, 60, 70), read(3, 80, 90)}, "linearizable=?"},
		{"diverged all the same", with(finals(1, 2), write(1, 0, 10), write(2, 20, 30)), "replicas.diverged=1 writes.lost=?"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			values, _ := check(t, torn(logOf(registerType, test.ops...)))
			expect(t, values, test.want)
		})
	}
}
