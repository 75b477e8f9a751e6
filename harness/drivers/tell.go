package drivers

import (
	"math"

	"github.com/aftershock-chaos/aftershock/harness/demand"
	"github.com/aftershock-chaos/aftershock/harness/load"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/clocks"
	"github.com/aftershock-chaos/aftershock/workloads"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// course is how far a driver's part of a workload came, as it recorded it, on the run's
// clock as far as that is known.
type course struct {
	ended    []int64  // by worker: when its last operation was
	intended []int64  // by client: when its last operation at a rate was to be sent
	sent     []uint64 // by client: how many of these there were
}

func newCourses(list []workloads.Workload, nodes int) []course {
	all := make([]course, len(list))
	for i, w := range list {
		all[i] = course{make([]int64, w.Workers(nodes)), make([]int64, workloads.Connections(w, nodes)), make([]uint64, workloads.Connections(w, nodes))}
	}
	return all
}

// take takes an operation of a client that has so many workers. What follows a look, and
// what is of a closed loop, was intended as it was sent: a look counts for what follows it.
func (c *course) take(op *history.Op, each int) {
	if n := int(op.Worker); n < len(c.ended) {
		c.ended[n] = max(c.ended[n], op.End)
		if client := n / each; op.Intended < op.Start && op.Flags&history.Part == 0 && client < len(c.intended) {
			c.sent[client]++
			c.intended[client] = max(c.intended[client], op.Intended)
		}
	}
}

// Tell tells what the drivers' clocks did that times rest on, and what of the load is
// missing as a driver was lost. It is to be called before the run's events end.
func (f *Fleet) Tell(w load.Window) {
	for _, d := range f.all {
		if line, ok := clocks.Of(d.looks); ok {
			for _, t := range line.Uneven(unevenLeast) {
				f.Emit(history.Event{At: max(t[0], 0), Until: max(t[1], 0), Kind: history.EventUntrusted, By: d.name, Name: "clock", Detail: "had a clock that stepped, or ran too fast or too slow,"})
			}
		}
		if d.isLost() && w.Stop > 0 {
			f.tellMissing(d, w)
		}
	}
}

// tellMissing tells what a lost driver would have sent, and of the time between what it
// recorded last and its end that nobody knows what it was answered.
func (f *Fleet) tellMissing(d *remote, w load.Window) {
	select {
	case <-d.over:
		if d.recordedAll() {
			return // it had sent all
		}
	default:
	}
	gone := w.Grace // it may have gone on
	if d.gone > 0 {
		gone = min(max(d.gone, w.Start), gone)
	}
	dark := gone // from when on acknowledgements may be missing
	for number, workload := range f.Workloads {
		first, behind := load.Share{Index: d.index, Count: len(f.all)}.Of(workload, len(f.Targets))
		if first == behind {
			continue
		}
		var left, untold []demand.Worker
		each := max(workload.Spec().Pipeline, 1)
		for i := first; i < behind; i++ {
			pacer := workload.Pacer(i, len(f.Targets))
			told, due := uint64(0), int64(math.MinInt64)
			if pacer != nil {
				if at := d.courses[number].intended[i]; at > 0 {
					told = pace.Skip(pacer, 0, at-w.Start+1)
				}
				due = pace.Later(w.Start, pacer(told))
				first := min(told, d.courses[number].sent[i]) // what it skipped, or other lanes have under way, may be of any time
				untold = append(untold, demand.Worker{Pacer: pacer, Next: first, Backlog: &demand.Backlog{}})
			}
			worker := demand.Worker{Pacer: pacer, Backlog: &demand.Backlog{}}
			if pacer != nil {
				worker.Next = max(pace.Skip(pacer, 0, gone-w.Start), told)
			}
			left = append(left, worker)
			for k := i * each; k < (i+1)*each; k++ {
				since := max(d.courses[number].ended[k], w.Start)
				if each == 1 {
					since = max(since, due)
				}
				dark = min(dark, since)
			}
		}
		if workload.Measured(0) {
			f.tellDemand(d, workload, w, gone, left, untold)
		}
	}
	if dark < gone {
		f.Emit(history.Event{At: dark, Until: gone, Kind: history.EventUntrusted, By: d.name, Name: "lost", Detail: "was lost, and nobody tells what it was answered,"})
	}
}

// tellDemand tells what of a workload a driver certainly did not send, as it was gone, and
// what it may have sent before.
func (f *Fleet) tellDemand(d *remote, workload workloads.Workload, w load.Window, gone int64, left, untold []demand.Worker) {
	at, told := demand.Of(workload.Kinds(), left, w.Told())
	before := w.Told()
	before.Stop, before.Grace = min(gone, w.Stop), min(gone, w.Stop)
	_, maybe := demand.Of(workload.Kinds(), untold, before)
	for _, u := range maybe.Unsent {
		u.Untold = true
		told.Unsent = append(told.Unsent, u)
	}
	told.Own = nil
	f.Emit(history.Event{At: min(at, f.Clock.Now()), Kind: history.EventDemand, Name: workload.Spec().Name, By: d.name, Demand: told})
}
