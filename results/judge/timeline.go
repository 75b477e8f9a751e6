package judge

import (
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/rundir"
	"github.com/aftershock-chaos/aftershock/results/timeline"
)

// Timeline is what pictures of a judged run are drawn from, and the history that it is
// of; nil where there is nothing to draw. Its errors wrap rundir.ErrRunDir or are those
// of reading the history.
func Timeline(dir *rundir.Dir, v *results.Verdict, memory uint64) (*timeline.Data, *history.Log, error) {
	log, _, err := OpenHistory(dir.Path(), memory)
	if err != nil {
		return nil, nil, err
	}
	d := timeline.Of(v, log, nil)
	return d, log, log.Err()
}
