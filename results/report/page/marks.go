package page

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/say"
	"github.com/aftershock-chaos/aftershock/results/timeline"
)

// ticks are the instants of one class of contradictions: so many in a stretch that
// begins at At, which is as short as the finest bin.
type ticks struct {
	Name string    `json:"name"`
	At   []float64 `json:"at"`
	N    []int     `json:"n"`
	Open []opened  `json:"open"` // those of which the page has the evidence
}

// opened is a tick that opens a piece of evidence.
type opened struct {
	At float64 `json:"at"`
	ID string  `json:"id"`
}

// ticksOf are the instants of what contradicts itself: of all lost writes and stale
// reads that are known, and of the other classes those that are kept.
func ticksOf(log *history.Log, losses []checkers.Loss, reads []checkers.StaleSample, width int64, shown []*evidenceClass) []ticks {
	lost, stale := []int64{}, []int64{}
	for _, l := range losses {
		if l.Certain {
			lost = append(lost, l.Acked)
		}
	}
	for _, s := range reads {
		if int(s.Op) < len(log.Ops) {
			stale = append(stale, log.Ops[s.Op].Start)
		}
	}
	list := []ticks{}
	taken := map[checkers.Class]bool{}
	for _, c := range shown {
		at := []int64{}
		switch {
		case isLoss(c.Class) && len(lost) > 0 && !taken[checkers.LostWrite]:
			at, taken[checkers.LostWrite] = lost, true
		case c.Class == checkers.StaleRead && len(stale) > 0:
			at = stale
		default:
			for _, e := range c.all() {
				at = append(at, e.at)
			}
		}
		row := ticks{Name: strings.ReplaceAll(string(c.Class), "-", " ")}
		row.fill(at, width)
		for _, e := range c.all() {
			row.Open = append(row.Open, opened{timeline.Seconds(e.at), e.ID})
		}
		list = append(list, row)
	}
	return list
}

func isLoss(c checkers.Class) bool {
	return c == checkers.LostWrite || c == checkers.LostElement || c == checkers.LostMessage
}

// fill counts instants by stretches of a width.
func (t *ticks) fill(at []int64, width int64) {
	slices.Sort(at)
	last := int64(-1)
	for _, ns := range at {
		if bin := ns / width; bin != last || len(t.N) == 0 {
			t.At, t.N, last = append(t.At, timeline.Seconds(ns)), append(t.N, 0), bin
		}
		t.N[len(t.N)-1]++
	}
}

// behindOf is the fault that is most likely behind a contradiction: of those in force
// between its first operation and its last the one nearest to when it shows; nil if there
// is none.
func behindOf(faults []results.Fault, from, to, shows int64) *results.Fault {
	var best *results.Fault
	nearest := int64(0)
	for i := range faults {
		f := &faults[i]
		if !f.Executed || f.At > to || f.End < from {
			continue
		}
		if away := max(f.At-shows, shows-f.End, 0); best == nil || away < nearest {
			best, nearest = f, away
		}
	}
	return best
}

// faultLine is a fault with when it was in force.
func faultLine(f *results.Fault) string {
	return fmt.Sprintf("%s: %s, until %s", f.ID, say.FaultWords(f), say.Instant(f.End))
}
