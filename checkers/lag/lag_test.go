package lag

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

func TestLag(t *testing.T) {
	log := logOf(lagType,
		mark(1, 0, 10), mark(2, 20, 30), mark(3, 40, 50, unknown), mark(4, 60, 70), mark(5, 80, 90, node(1)),
		poll(0, 1, 5, 6), poll(0, 5, 89, 99), // n1 has markers 1 to 4 itself
		poll(1, 1, 11, 14), poll(1, 2, 25, 28), poll(1, 4, 100, 170),
		poll(2, 2, 50, 60), poll(2, 4, 72, 75), poll(2, 7, 80, 85, failed),
	)
	values, _ := check(t, log)
	expect(t, values, "lag.markers=4 lag.unseen=0..1 "+
		"lag.n1.p50=9e+06 lag.n1.max=9e+06 lag.n1.unseen=0 "+
		"lag.n2.p50=4e+06 lag.n2.p99=1e+08 lag.n2.max=1e+08 lag.n2.unseen=0 "+
		"lag.n3.p50=5e+06..3e+07 lag.n3.max=5e+07 lag.n3.unseen=0..1 "+
		"lag.p50=5e+06..9e+06 lag.p90=? lag.p99=? lag.max=1e+08 lag.write_to_visible.p99=? writes.lost=- set.lost=-")
	samples := LagSamples(log)
	want := []LagSample{
		{Node: 0, Marker: 5, At: 99 * ms, AckToVisible: 9 * ms, StartToVisible: 19 * ms},
		{Node: 1, Marker: 1, At: 14 * ms, AckToVisible: 4 * ms, StartToVisible: 14 * ms},
		{Node: 1, Marker: 2, At: 28 * ms, AckToVisible: 0, StartToVisible: 8 * ms},
		{Node: 1, Marker: 4, At: 170 * ms, AckToVisible: 100 * ms, StartToVisible: 110 * ms},
		{Node: 2, Marker: 1, At: 60 * ms, AckToVisible: 50 * ms, StartToVisible: 60 * ms},
		{Node: 2, Marker: 2, At: 60 * ms, AckToVisible: 30 * ms, StartToVisible: 40 * ms},
		{Node: 2, Marker: 4, At: 75 * ms, AckToVisible: 5 * ms, StartToVisible: 15 * ms},
	}
	if !slices.Equal(samples, want) {
		t.Errorf("got  %v\nwant %v", samples, want)
	}
	spans := LagSpans(log)
	if want := []LagSpan{{0, 90 * ms, 99 * ms, false}, {1, 10 * ms, 14 * ms, false}, {1, 30 * ms, 30 * ms, false}}; len(spans) != 7 || !slices.Equal(spans[:3], want) {
		t.Errorf("got  %v\nwant %v and 4 more", spans, want)
	}
	asked := logOf(lagType, append(slices.Clone(log.Ops), poll(2, 4, 91, 95))...)
	if spans := LagSpans(asked); len(spans) != 8 || spans[7].Node != 2 || spans[7].Acked != 90*ms || spans[7].Visible != kit.Never {
		t.Errorf("a marker that was asked for and never seen is %+v", spans)
	}
	values, _ = check(t, asked)
	if v := values["lag.n3.max"]; !v.AtLeast || v.AtMost != 0 || !strings.Contains(v.Why, "1 of 4 markers were never seen") {
		t.Errorf("a marker was never seen, and the greatest lag is %+v", v)
	}
	expect(t, values, "lag.unseen=1 lag.n3.unseen=1 lag.n3.p50=3e+07 lag.n3.max=5e+07 lag.p50=9e+06 lag.write_to_visible.p99=?")
	values, _ = check(t, torn(asked))
	if n := len(LagSpans(torn(asked))); n != 7 {
		t.Errorf("a torn log has %d spans, want those that were seen", n)
	}
	expect(t, values, "lag.unseen=? lag.n1.unseen=? lag.n3.max=5e+07 lag.n1.max=9e+06 lag.n1.p50=? lag.markers=4")
}

func TestLagOfWarmupAndNothing(t *testing.T) {
	log := logOf(lagType, mark(1, 0, 10, warm), mark(2, 20, 30), poll(1, 1, 11, 90), poll(1, 2, 91, 92), poll(2, 2, 35, 36))
	values, _ := check(t, log)
	expect(t, values, "lag.markers=1 lag.max=6.2e+07 lag.n2.max=6.2e+07 lag.n3.max=6e+06 lag.n1.max=? lag.write_to_visible.p99=7.2e+07")
	if spans := LagSpans(log); len(spans) != 4 || !spans[0].Warmup || spans[1].Warmup {
		t.Errorf("got %+v, want the first of each node to be of the warm-up", spans)
	}
	values, _ = check(t, logOf(lagType, mark(1, 0, 10), poll(1, 1, 11, 60), poll(1, 1, 20, 30)))
	expect(t, values, "lag.n2.max=2e+07") // the poll that ended first shows it
	values, _ = check(t, logOf(lagType))
	expect(t, values, "lag.markers=0 lag.max=? lag.p50=? lag.unseen=0")
}

func TestLagAgreesWithDefinition(t *testing.T) {
	for range 20 { // of a hundred each
		rapid.Check(t, lagAgrees)
	}
}

func lagAgrees(t *rapid.T) {
	var ops []history.Op
	for i := range rapid.IntRange(0, 12).Draw(t, "n") {
		start := rapid.Int64Range(0, 30).Draw(t, "start")
		op := history.Op{Kind: history.Poll, Start: start, End: start + rapid.Int64Range(0, 9).Draw(t, "length"),
			Node: int8(rapid.IntRange(-1, 3).Draw(t, "node")), Value: rapid.Int64Range(0, 6).Draw(t, "value"), Outcome: history.OK}
		if rapid.IntRange(0, 2).Draw(t, "mark") == 0 {
			op.Kind, op.Value, op.Outcome = history.Mark, int64(i), history.Outcome(rapid.IntRange(0, 2).Draw(t, "outcome"))
		}
		ops = append(ops, op)
	}
	log := logOf(lagType, ops...)
	var want []LagSample
	for n := range int8(3) {
		for v := range int64(20) {
			for i := range log.Ops {
				m, at := &log.Ops[i], int64(-1)
				if m.Kind != history.Mark || m.Value != v || m.Outcome != history.OK || m.Node == n {
					continue
				}
				for _, p := range log.Ops {
					if p.Kind == history.Poll && p.Node == n && p.Value >= v && (at < 0 || p.End < at) {
						at = p.End
					}
				}
				if at >= 0 {
					want = append(want, LagSample{n, v, at, max(0, at-m.End), max(0, at-m.Start)})
				}
			}
		}
	}
	if got := LagSamples(log); !slices.Equal(got, want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
}
