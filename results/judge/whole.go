package judge

import (
	"maps"
	"os"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// changedFiles are the files of a run directory that are not what they were at
// the run's end, as far as its events tell.
func changedFiles(dir *rundir.Dir, log *history.Log) []string {
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(log.Files)) {
		contents, err := os.ReadFile(dir.File(name))
		if err != nil || history.Checksum(contents) != log.Files[name] {
			changed = append(changed, name)
		}
	}
	return changed
}

// cutBefore says why the events of a run without marks cannot be all: whatever
// ended a run of before, the begin of its phase "end" was its last event but for
// what happened in that instant. Empty: they may be.
func cutBefore(log *history.Log) string {
	if log.Meta.EventsMarked || log.EventsTorn != "" || slices.ContainsFunc(log.Events, func(e history.Event) bool {
		return e.Kind == history.EventPhase && e.Detail == "end"
	}) {
		return ""
	}
	return "the run's end is not among the events: the harness died, or the file was cut"
}
