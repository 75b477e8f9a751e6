package report

import (
	"bytes"
	"math"
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
	v := results.Judge(in)
	var text bytes.Buffer
	if err := Text(&text, v, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "lag as told") {
		t.Errorf("the text lacks the told lag:\n%s", text.String())
	}
	rows := RowsOf(v).Lag
	if len(rows) != 3 || rows[2].Node != "n3" || rows[2].Seen == nil || rows[2].Told.Bytes != "1.05 MB" || rows[2].Source != "pg_stat_replication.replay_lag" {
		t.Errorf("rows are %+v", rows)
	}
	v.Lag = nil // without the lag workload
	if rows := RowsOf(v).Lag; len(rows) != 3 || rows[0].Seen != nil || rows[0].Told == nil {
		t.Errorf("without seen lag rows are %+v", rows)
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
		if err := Text(&bytes.Buffer{}, results.Judge(results.Input{Log: log, Measured: m}), TextOptions{}); err != nil {
			t.Fatal(err)
		}
	})
}
