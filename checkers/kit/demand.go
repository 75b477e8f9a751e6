package kit

import (
	"fmt"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Demand is what a log's events tell of the load that was asked for.
type Demand struct {
	Told   bool  // events tell it of every workload; runs of old and histories from elsewhere have none
	Stop   int64 // no operation was intended at or after it
	Asked  int64 // operations intended in the measured phase
	Closed bool  // some workload asks for as much as it gets
	Unsent []Unsent
	Own    history.Own // how late the harness itself was: of all workloads, of percentiles the greatest
}

// Unsent is a number of operations that were intended and never sent.
type Unsent struct {
	// Op stands for each of them: waiting from when it was intended, at the latest,
	// until the load was over, or until it was skipped.
	Op      history.Op
	From    int64 // when it was intended, at the earliest
	Count   int64
	Skipped bool
	Untold  bool // it may have been sent, and answered, at any time
	of      *history.Demand
}

// May tells whether the operations can be of a kind, and Must whether they can be
// of no other kind that counts as load.
func (u *Unsent) May(kind history.Kind) bool { return u.of.May(kind) }

func (u *Unsent) Must(kind history.Kind) bool {
	return len(u.of.Kinds) == 1 && u.of.Kinds[0] == kind.String()
}

// DemandOf reads a log's events. Markers of replication lag are no load.
func DemandOf(log *history.Log) Demand {
	d, told := Demand{}, map[uint8]bool{}
	for i := range log.Events {
		e := &log.Events[i]
		if e.Kind != history.EventDemand || e.Demand == nil {
			continue
		}
		workload, found := workloadOf(log, e.Name)
		if !found || log.Meta.Workloads[workload].ActsOn() == history.ObjectMarker {
			continue
		}
		told[workload] = true
		d.Closed = d.Closed || e.Demand.Closed
		d.Stop = max(d.Stop, e.Demand.Stop)
		if own := e.Demand.Own; own != nil {
			d.Own.Sent, d.Own.Late = d.Own.Sent+own.Sent, d.Own.Late+own.Late
			d.Own.P99, d.Own.Max = max(d.Own.P99, own.P99), max(d.Own.Max, own.Max)
		}
		d.Asked += min(max(e.Demand.Asked, 0), history.MaxUnsent)
		for _, u := range e.Demand.Unsent {
			if u.Count <= 0 {
				continue
			}
			until := max(u.From, u.Until)
			end := max(until, e.At)
			if u.Skipped {
				end = until + max(u.Waited, 0)
			}
			d.Unsent = append(d.Unsent, Unsent{From: u.From, Count: min(u.Count, history.MaxUnsent), Skipped: u.Skipped, Untold: u.Untold, of: e.Demand,
				Op: history.Op{Workload: workload, Node: -1, Intended: until, Start: end, End: end}})
		}
	}
	load := 0
	for _, w := range log.Meta.Workloads {
		if w.ActsOn() != history.ObjectMarker {
			load++
		}
	}
	d.Told = load > 0 && len(told) == load
	return d
}

// UnsentOf is how many operations of the measured phase were never sent.
func (d *Demand) UnsentOf(line *Timeline) int64 {
	return d.unsent(line, func(*Unsent) bool { return true })
}

// SkippedOf is how many of these were skipped, as they were late.
func (d *Demand) SkippedOf(line *Timeline) int64 {
	return d.unsent(line, func(u *Unsent) bool { return u.Skipped })
}

func (d *Demand) unsent(line *Timeline, of func(*Unsent) bool) int64 {
	sum := int64(0)
	for i := range d.Unsent {
		if u := &d.Unsent[i]; of(u) && line.Phase(&u.Op).Measured() {
			sum += u.Count
		}
	}
	return sum
}

// Why says what is not known exactly: what was never sent, and when times were not
// the system's alone. It is empty where there is none of it.
func (d *Demand) Why(line *Timeline, doubts *Doubts) string {
	sum, why := d.UnsentOf(line), doubts.Why()
	switch {
	case sum == 0:
		return why
	case why == "":
		return UnsentWhy(sum)
	}
	return UnsentWhy(sum) + "; " + why
}

func workloadOf(log *history.Log, name string) (uint8, bool) {
	for i := range min(len(log.Meta.Workloads), 256) {
		if log.Meta.Workloads[i].Name == name {
			return uint8(i), true
		}
	}
	return 0, false
}

// UnsentWhy says that so many operations were never sent.
func UnsentWhy(n int64) string {
	return fmt.Sprintf("%s intended and never sent", units.Plural(int(n), "operation was", "operations were"))
}
