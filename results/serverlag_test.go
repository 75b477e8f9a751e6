package results

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

func laggingVerdict() (*Verdict, *Measured) {
	in := sampleInput()
	in.Log = resultstest.LaggingLog()
	in.Measured = Measure(context.Background(), in.Log, checkers.DefaultLimits, 0)
	return Judge(in), in.Measured
}

func TestServerLagRows(t *testing.T) {
	v, _ := laggingVerdict()
	if len(v.ServerLag) != 3 || v.ServerLag[0].Node != "" || v.ServerLag[1].Node != "n2" || v.ServerLag[2].Node != "n3" {
		t.Fatalf("rows are %+v", v.ServerLag)
	}
	n3 := v.ServerLag[2]
	if n3.Answers != 28 || *n3.P50 != 5*ms || *n3.Max != 5*ms || *n3.Bytes != 1<<20 || n3.Source != "pg_stat_replication.replay_lag" {
		t.Errorf("n3 is %+v", n3)
	}
	if all := v.ServerLag[0]; *all.Max != 4*sec || *all.P50 != 3*ms || all.Answers != 28+32 {
		t.Errorf("all is %+v", all)
	}
}

func TestLagNotes(t *testing.T) {
	v, _ := laggingVerdict()
	want := []string{
		"n2: the system told 4s (pg_stat_replication.replay_lag) at 2.000s, when clients saw a lag of at most 2ms.",
		"n3: clients waited 1.2s for a marker, from 7.001s on; in that time the system told at most 5ms and 1.05 MB.",
	}
	if !slices.Equal(v.LagNotes, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(v.LagNotes, "\n"), strings.Join(want, "\n"))
	}
	log := resultstest.LaggingLog()
	log.Events = slices.DeleteFunc(log.Events, func(e history.Event) bool { return e.Kind == history.EventLag && e.At > 7*sec })
	m := Measure(context.Background(), log, checkers.DefaultLimits, 0)
	if len(m.LagNotes) != 2 || !strings.HasSuffix(m.LagNotes[1], "in that time the system told nothing of it.") {
		t.Errorf("notes are %q", m.LagNotes)
	}
	if plain := MeasureFound(resultstest.Log(), resultstest.Found()); plain.ServerLag != nil || plain.LagNotes != nil {
		t.Errorf("a run without any told lag has %+v, %q", plain.ServerLag, plain.LagNotes)
	}
}

// TestWholeSecondsAreNoContradiction: a system that tells whole seconds tells 1 s of a
// lag of milliseconds, and 0 s of one of nearly a second.
func TestWholeSecondsAreNoContradiction(t *testing.T) {
	log := resultstest.LaggingLog()
	for i := range log.Events {
		if e := &log.Events[i]; e.Kind == history.EventLag {
			whole := int64(0)
			if *e.Lag > sec || e.At%sec == 0 {
				whole = sec
			}
			e.Lag = &whole
		}
	}
	if m := Measure(context.Background(), log, checkers.DefaultLimits, 0); m.LagNotes != nil {
		t.Errorf("notes are %q", m.LagNotes)
	}
	for i := range log.Events {
		if e := &log.Events[i]; e.Kind == history.EventLag && e.Node == "n2" && e.At == 2*sec {
			four := 4 * sec
			e.Lag = &four
		}
	}
	if m := Measure(context.Background(), log, checkers.DefaultLimits, 0); len(m.LagNotes) != 1 || !strings.HasPrefix(m.LagNotes[0], "n2: the system told 4s") {
		t.Errorf("notes are %q", m.LagNotes)
	}
}
