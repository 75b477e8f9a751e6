package lag

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestServerLag(t *testing.T) {
	log := faulted(logOf(registerType), phase("warmup", 0), told("n1", "n2", 5, 900, 9000), phase("measure", 10),
		told("n1", "n2", 20, 4, 100), told("n1", "n3", 20, 8, -1), told("n1", "n2", 40, 2, 700), told("n1", "n3", 40, -1, 5),
		told("n1", "n2", 60, -1, -1), told("n1", "n7", 60, 5000, 5000), phase("heal", 80), told("n1", "n2", 90, 800, 8000))
	values, _ := check(t, log)
	expect(t, values, "lag.server.p50=4e+06 lag.server.p99=8e+06 lag.server.max=8e+06 lag.server.bytes.max=700 "+
		"lag.server.n2.p50=2e+06 lag.server.n2.max=4e+06 lag.server.n2.bytes.max=700 lag.server.n3.max=8e+06 lag.server.n3.bytes.max=5 "+
		"lag.server.n1.max=? lag.server.n1.bytes.max=?")
	if values["lag.server.max"].AtLeast {
		t.Error("the maximum of a whole log is called a lower bound")
	}
	values, _ = check(t, torn(log))
	expect(t, values, "lag.server.max=8e+06 lag.server.p50=? lag.server.n2.p99=?")
	if !values["lag.server.max"].AtLeast || !values["lag.server.n2.bytes.max"].AtLeast {
		t.Error("in a torn log the maximum is a lower bound")
	}
}

func TestServerLagOfNothing(t *testing.T) {
	values, _ := check(t, faulted(logOf(registerType), phase("measure", 10), phase("heal", 80)))
	expect(t, values, "lag.server.max=- lag.server.n2.max=-")
	values, _ = check(t, faulted(logOf(registerType), told("n1", "n2", 5, 3, 4), phase("measure", 10), phase("heal", 80)))
	expect(t, values, "lag.server.max=? lag.server.bytes.max=?")
	values, _ = check(t, faulted(logOf(registerType), told("n1", "n2", 5, 3, 4))) // measuring never began
	expect(t, values, "lag.server.max=?")
}

// TestOneAnswerWithSeveralFigures: the slowest figure counts, and it is one
// figure; another node's answer of the same instant is an answer of its own.
func TestOneAnswerWithSeveralFigures(t *testing.T) {
	got := ServerLagAnswers(faulted(logOf(registerType), named("write", told("n1", "n2", 20, 1, 50)), named("flush", told("n1", "n2", 20, 2, 60)),
		named("replay", told("n1", "n2", 20, 9, -1)), named("self", told("n2", "n2", 20, 3, -1)), told("n1", "n2", 10, 7, 0)))
	want := []ServerLagAnswer{
		{Node: 1, At: 10 * ms, Source: "replay", Time: 7 * ms, Bytes: 0},
		{Node: 1, At: 20 * ms, Source: "replay", Time: 9 * ms, Bytes: 60},
		{Node: 1, At: 20 * ms, Source: "self", Time: 3 * ms, Bytes: -1},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestServerLagOfAnything: no event can make a negative figure or a panic, and
// the maximum is that of the events of the measured phase.
func TestServerLagOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := logOf(registerType)
		log.Events = append(log.Events, phase("measure", 10), phase("heal", 50))
		most := int64(-1)
		for range rapid.IntRange(0, 20).Draw(t, "events") {
			e := told("n1", rapid.SampledFrom([]string{"n1", "n2", "n3", "", "n9"}).Draw(t, "node"), rapid.Int64Range(0, 60).Draw(t, "at"),
				rapid.Int64Range(-1, 100).Draw(t, "lag"), rapid.Int64Range(-1, 5).Draw(t, "bytes"))
			if rapid.Bool().Draw(t, "negative") {
				lag := rapid.Int64Range(-1<<62, -1).Draw(t, "negative lag")
				e.Lag = &lag
			}
			log.Events = append(log.Events, e)
			if e.Lag != nil && slices.Contains(log.Meta.Nodes, e.Node) && e.At >= 10*ms && e.At <= 50*ms {
				most = max(most, *e.Lag)
			}
		}
		r := checkServerLag(t.Context(), inputOf(log))
		for _, v := range r.Values {
			if v.N < 0 || v.Name == "lag.server.max" && (v.Known != (most >= 0) || v.Known && v.N != float64(most)) {
				t.Fatalf("%+v, want a maximum of %d", v, most)
			}
		}
	})
}
