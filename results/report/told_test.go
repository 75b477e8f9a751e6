package report

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

func TestToldLagInReports(t *testing.T) {
	in := sampleInput()
	in.Log = resultstest.LaggingLog()
	in.Measured = results.Measure(t.Context(), in.Log, checkers.DefaultLimits, 0)
	v, m := results.Judge(in), in.Measured
	var text, page bytes.Buffer
	if err := Text(&text, v, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "lag as told") {
		t.Errorf("the text lacks the told lag:\n%s", text.String())
	}
	if err := HTML(&page, v, m); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`id="lag"`, "Told by the system", "pg_stat_replication.replay_lag", "1.05 MB", `class="differ"`, "lag.server.n3.bytes.max"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if path := os.Getenv("AFTERSHOCK_SAMPLE_LAG_HTML"); path != "" {
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	v.Lag = nil // without the lag workload
	page.Reset()
	if err := HTML(&page, v, m); err != nil || !strings.Contains(page.String(), "not measured") {
		t.Errorf("a page without seen lag: %v", err)
	}
}

// TestHostileTolds: whatever times and figures events hold, nothing panics.
func TestHostileTolds(t *testing.T) {
	anything := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-10, 10), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 0}))
	rapid.Check(t, func(t *rapid.T) {
		log := resultstest.Log()
		log.Ops = log.Ops[:50]
		for i := range log.Ops {
			log.Ops[i].Workload, log.Ops[i].Kind = uint8(i%2), []history.Kind{history.Mark, history.Poll, history.Write}[i%3]
			log.Ops[i].Start, log.Ops[i].End = anything.Draw(t, "start"), anything.Draw(t, "end")
		}
		for range rapid.IntRange(0, 9).Draw(t, "events") {
			e := resultstest.ToldEvent(rapid.SampledFrom([]string{"n1", "n2", "x"}).Draw(t, "node"), anything.Draw(t, "at"), 0, 0)
			*e.Lag, *e.Bytes = anything.Draw(t, "lag"), anything.Draw(t, "bytes")
			log.Events = append(log.Events, e)
		}
		m := results.Measure(t.Context(), log, checkers.DefaultLimits, 0)
		if err := HTML(&bytes.Buffer{}, results.Judge(results.Input{Log: log, Measured: m}), m); err != nil {
			t.Fatal(err)
		}
	})
}
