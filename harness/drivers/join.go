package drivers

import (
	"errors"
	"fmt"
	"os"

	"github.com/aftershock-chaos/aftershock/harness/demand"
	"github.com/aftershock-chaos/aftershock/harness/load"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/clocks"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// unevenLeast is the share by which a length that a driver's clock measured has to be off
// to be told: less is less than a percentile of latency is known by.
const unevenLeast = 0.01

// Join makes one history of what the harness recorded, at path, and what the drivers
// did, and puts it in its place. It is to be called once the drivers have ended. Of a driver that was
// lost it has what came before.
func (f *Fleet) Join(path string, meta history.Meta) error {
	parts, whole := []history.Source{{Path: path}}, true
	for _, d := range f.all {
		driver := &meta.Drivers[d.index]
		line, ok := clocks.Of(d.looks)
		if !ok {
			return fmt.Errorf("nothing is known of the clock of %s", d.name)
		}
		driver.Clock = line.Widths()
		if d.isLost() {
			driver.Lost = max(d.lostAt, 1)
		}
		whole = whole && d.whole
		if _, err := os.Stat(d.path); err == nil {
			parts = append(parts, history.Source{Path: d.path, Map: func(op *history.Op) {
				op.Intended, op.Start, op.End = line.Run(op.Intended), line.Run(op.Start), line.Run(op.End)
			}})
		}
	}
	joined := path + ".joined"
	if _, err := history.Join(joined, meta, parts, whole); err != nil {
		return errors.Join(err, os.Remove(joined))
	}
	if err := os.Rename(joined, path); err != nil {
		return fmt.Errorf("put the joined history in its place: %w", err)
	}
	for _, d := range f.all {
		_ = os.Remove(d.path) // it is in the other
	}
	_ = os.Remove(f.Dir) // if it is empty
	return nil
}

// Tell tells what the drivers' clocks did that times rest on, and what of the load was
// missing as a driver was lost. It is to be called before the run's events end.
func (f *Fleet) Tell(w load.Window) {
	for _, d := range f.all {
		if line, ok := clocks.Of(d.looks); ok {
			for _, t := range line.Uneven(unevenLeast) {
				f.Emit(history.Event{At: max(t[0], 0), Until: max(t[1], 0), Kind: history.EventUntrusted, By: d.name, Name: "clock", Detail: "had a clock that stepped, or ran too fast or too slow,"})
			}
		}
		if d.isLost() {
			f.tellMissing(d, w)
		}
	}
}

// tellMissing tells what a lost driver would have sent.
func (f *Fleet) tellMissing(d *remote, w load.Window) {
	select {
	case <-d.over:
		return // it had sent all
	default:
	}
	if w.Stop == 0 {
		return // there was no load yet
	}
	share := load.Share{Index: d.index, Count: len(f.all)}
	for _, workload := range f.Workloads {
		first, behind := share.Of(workload, len(f.Targets))
		if first == behind || !workload.Measured(0) {
			continue
		}
		var idle []demand.Worker
		for i := first; i < behind; i++ {
			worker := demand.Worker{Pacer: workload.Pacer(i, len(f.Targets)), Backlog: &demand.Backlog{}}
			if worker.Pacer != nil {
				worker.Next = pace.Skip(worker.Pacer, 0, d.lostAt-w.Start)
			}
			idle = append(idle, worker)
		}
		at, told := demand.Of(workload.Kinds(), idle, w.Told())
		told.Own = nil
		f.Emit(history.Event{At: min(at, f.Clock.Now()), Kind: history.EventDemand, Name: workload.Spec().Name, By: d.name, Demand: told})
	}
}

// Wide says how far off the drivers' clocks were, for the log.
func Wide(meta history.Meta) string {
	log := history.Log{Meta: meta}
	return units.Nanos(log.UsualSpan()) + ", at most " + units.Nanos(log.Span())
}
