package results

import (
	"bytes"
	"context"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

func toldEvent(replica string, at, lag, bytes int64) history.Event {
	e := history.Event{At: at, Kind: history.EventLag, By: "n1", Node: replica, Name: "pg_stat_replication.replay_lag"}
	if lag >= 0 {
		e.Lag = &lag
	}
	if bytes >= 0 {
		e.Bytes = &bytes
	}
	return e
}

// laggingLog is the sample run with markers every 20 ms, which n2 shows after
// 2 ms and n3 only at 8.2 s if they were written in the partition from 7 s to
// 8 s. The system tells 3 ms of n2 all along, and of n3 nothing while it is
// cut off. At 2 s it tells 4 s of n2, which no client saw.
func laggingLog() *history.Log {
	log := sampleLog()
	value := int64(0)
	for at := sec; at < 9*sec; at += 20 * ms {
		value++
		mark := history.Op{Kind: history.Mark, Workload: 1, Value: value, Intended: at, Start: at, End: at + ms, Outcome: history.OK}
		seen := mark
		seen.Kind, seen.Node, seen.Start, seen.End = history.Poll, 1, at+2*ms, at+3*ms
		log.Ops = append(log.Ops, mark, seen)
		seen.Node = 2
		if at >= 7*sec && at < 8200*ms {
			if at < 8180*ms {
				continue
			}
			seen.Start, seen.End = 8200*ms, 8201*ms
		}
		log.Ops = append(log.Ops, seen)
	}
	slices.SortStableFunc(log.Ops, func(a, b history.Op) int { return history.Less(&a, &b) })
	for at := sec; at < 9*sec; at += int64(ServerLagEvery) {
		lag := 3 * ms
		if at == 2*sec {
			lag = 4 * sec
		}
		log.Events = append(log.Events, toldEvent("n2", at, lag, 4096))
		if at < 7*sec || at >= 8*sec {
			log.Events = append(log.Events, toldEvent("n3", at, 5*ms, 1<<20))
		}
	}
	return log
}

func laggingVerdict() (*Verdict, *Measured) {
	in := sampleInput()
	in.Log = laggingLog()
	in.Measured = Measure(context.Background(), in.Log, checkers.DefaultLimits, 0)
	return Judge(in), in.Measured
}

func TestToldRows(t *testing.T) {
	v, _ := laggingVerdict()
	if len(v.Told) != 3 || v.Told[0].Node != "" || v.Told[1].Node != "n2" || v.Told[2].Node != "n3" {
		t.Fatalf("rows are %+v", v.Told)
	}
	n3 := v.Told[2]
	if n3.Answers != 28 || *n3.P50 != 5*ms || *n3.Max != 5*ms || *n3.Bytes != 1<<20 || n3.Source != "pg_stat_replication.replay_lag" {
		t.Errorf("n3 is %+v", n3)
	}
	if all := v.Told[0]; *all.Max != 4*sec || *all.P50 != 3*ms || all.Answers != 28+32 {
		t.Errorf("all is %+v", all)
	}
}

func TestLagNotes(t *testing.T) {
	v, _ := laggingVerdict()
	want := []string{
		"n2: the system told 4s (pg_stat_replication.replay_lag) at 2.000 s, when clients saw a lag of at most 2ms.",
		"n3: clients waited 1.2s for a marker, from 7.001 s on; in that time the system told at most 5ms and 1.05 MB.",
	}
	if !slices.Equal(v.LagNotes, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(v.LagNotes, "\n"), strings.Join(want, "\n"))
	}
	log := laggingLog()
	log.Events = slices.DeleteFunc(log.Events, func(e history.Event) bool { return e.Kind == history.EventLag && e.At > 7*sec })
	m := Measure(context.Background(), log, checkers.DefaultLimits, 0)
	if len(m.LagNotes) != 2 || !strings.HasSuffix(m.LagNotes[1], "in that time the system told nothing of it.") {
		t.Errorf("notes are %q", m.LagNotes)
	}
	if plain := measure(sampleLog(), sampleResult()); plain.Told != nil || plain.LagNotes != nil || plain.Series.HasLag() {
		t.Errorf("a run without any told lag has %+v, %q", plain.Told, plain.LagNotes)
	}
}

func TestLagColumns(t *testing.T) {
	_, m := laggingVerdict()
	seen, told := m.Series.LagSeen, m.Series.LagTold
	if len(seen) != len(m.Series.T) || len(told) != len(m.Series.T) {
		t.Fatalf("%d and %d cells for %d buckets", len(seen), len(told), len(m.Series.T))
	}
	if !math.IsNaN(seen[5]) || seen[30] > 3 || seen[79] != 999 || seen[81] < 1000 || seen[83] > 30 {
		t.Errorf("seen: %v", seen)
	}
	if !math.IsNaN(told[5]) || told[15] != 5 || told[21] != 4000 || told[23] != 5 || told[75] != 3 {
		t.Errorf("told: %v", told)
	}
}

// TestBehindAgreesWithDefinition compares the one pass with a look at every
// span for every instant.
func TestBehindAgreesWithDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var spans []checkers.LagSpan
		for range rapid.IntRange(0, 8).Draw(t, "spans") {
			s := checkers.LagSpan{Acked: rapid.Int64Range(0, 60).Draw(t, "acked")}
			s.Visible = s.Acked + rapid.Int64Range(0, 40).Draw(t, "lag")
			if s.Visible == 100 {
				s.Visible = math.MaxInt64
			}
			spans = append(spans, s)
		}
		first, width := rapid.Int64Range(0, 10).Draw(t, "first"), rapid.Int64Range(1, 9).Draw(t, "width")
		got := behind(spans, first, width, 12, 100)
		for b, x := range got {
			from, to := first+int64(b)*width, first+int64(b+1)*width
			want := int64(-1)
			for _, s := range spans {
				if end := min(s.Visible, 100); s.Acked < to && end >= from {
					want = max(want, min(end, to)-s.Acked)
				}
			}
			if math.IsNaN(x) != (want < 0) || want >= 0 && math.Round(x*1e6) != float64(want) {
				t.Fatalf("bucket %d [%d, %d) of %v is %v ns, want %d", b, from, to, spans, x*1e6, want)
			}
		}
	})
}

func TestToldLagInReports(t *testing.T) {
	v, m := laggingVerdict()
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
		log := sampleLog()
		log.Ops = log.Ops[:50]
		for i := range log.Ops {
			log.Ops[i].Workload, log.Ops[i].Kind = uint8(i%2), []history.Kind{history.Mark, history.Poll, history.Write}[i%3]
			log.Ops[i].Start, log.Ops[i].End = anything.Draw(t, "start"), anything.Draw(t, "end")
		}
		for range rapid.IntRange(0, 9).Draw(t, "events") {
			e := toldEvent(rapid.SampledFrom([]string{"n1", "n2", "x"}).Draw(t, "node"), anything.Draw(t, "at"), 0, 0)
			*e.Lag, *e.Bytes = anything.Draw(t, "lag"), anything.Draw(t, "bytes")
			log.Events = append(log.Events, e)
		}
		m := Measure(t.Context(), log, checkers.DefaultLimits, 0)
		if err := HTML(&bytes.Buffer{}, Judge(Input{Log: log, Measured: m}), m); err != nil {
			t.Fatal(err)
		}
	})
}
