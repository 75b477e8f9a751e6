package drivers

import (
	"errors"
	"fmt"
	"os"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/clocks"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// unevenLeast is the share by which a length that a driver's clock measured has to be off
// to be told: less is less than a percentile of latency is known by.
const unevenLeast = 0.01

// Join makes one history of what the harness recorded, at path, and what the drivers
// did, and puts it in its place. It is to be called once the drivers have ended. Of a
// driver that was lost it has what was recorded, and what it may have done besides.
func (f *Fleet) Join(path string, meta history.Meta) error {
	parts := []history.Source{{Path: path}}
	untold, err := f.foretell(path, &meta)
	if err != nil {
		return fmt.Errorf("tell what lost drivers may have done: %w", err)
	}
	for _, d := range f.all {
		driver := &meta.Drivers[d.index]
		line, ok := clocks.Of(d.looks)
		if !ok {
			return fmt.Errorf("nothing is known of the clock of %s", d.name)
		}
		driver.Clock = line.Widths()
		onRun := func(op *history.Op) {
			op.Intended, op.Start, op.End = line.Run(op.Intended), line.Run(op.Start), line.Run(op.End)
		}
		if d.isLost() && !d.whole {
			driver.Lost, driver.Gone = max(d.lostAt, 1), d.gone
			if made, ok := untold[d]; ok {
				parts = append(parts, history.Source{Path: made, Map: onRun, Cut: true})
			}
		}
		if d.recorded() {
			parts = append(parts, history.Source{Path: d.path, Map: onRun, Cut: d.isLost()})
		}
	}
	joined := path + ".joined"
	if _, err := history.Join(joined, meta, parts, f.accounted()); err != nil {
		return errors.Join(err, os.Remove(joined))
	}
	if err := os.Rename(joined, path); err != nil {
		return fmt.Errorf("put the joined history in its place: %w", err)
	}
	for _, d := range f.all {
		_ = os.Remove(d.path) // it is in the other
		_ = os.Remove(untold[d])
	}
	_ = os.Remove(f.Dir) // if it is empty
	return nil
}

// accounted tells whether all that is missing is of drivers that were lost.
func (f *Fleet) accounted() bool {
	for _, d := range f.all {
		if !d.whole && !d.isLost() {
			return false
		}
	}
	return true
}

// Wide says how far off the drivers' clocks were, for the log.
func Wide(meta history.Meta) string {
	log := history.Log{Meta: meta}
	return units.Nanos(log.UsualSpan()) + ", at most " + units.Nanos(log.Span())
}
