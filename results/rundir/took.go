package rundir

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// TookFile is the file of a run directory that says how long the run's steps took.
const TookFile = "took.json"

// mostTook bounds how many runs of a plan are looked at for how long its steps take.
const mostTook = 20

const mostTookBytes = 64 << 10

// Took is how long each step of a run took: setting up, each phase, judging. It
// tells how long those of the plan's next run will take, and nothing else.
type Took struct {
	Plan       string                   `json:"plan"` // its name
	Host       string                   `json:"host"`
	Operations int                      `json:"operations"` // that were judged
	Steps      map[string]time.Duration `json:"steps_ns"`
}

// WriteTook writes the file.
func (d *Dir) WriteTook(t *Took) error { return d.writeJSON(TookFile, t) }

// LastTook is how long the steps of the latest run of a plan on a host took, of
// those in a folder of runs that tell. The zero value: none does. Whatever cannot be
// read does not tell.
func LastTook(root, plan, host string) Took {
	entries, err := os.ReadDir(root)
	if err != nil {
		return Took{}
	}
	looked := 0
	for _, entry := range slices.Backward(entries) { // by name, which begins with the time
		if !entry.IsDir() || !strings.Contains(entry.Name(), "-"+fileName(plan)+"-") {
			continue
		}
		if looked++; looked > mostTook {
			break
		}
		d := &Dir{path: filepath.Join(root, entry.Name())}
		if info, err := os.Lstat(d.File(TookFile)); err != nil || !info.Mode().IsRegular() || info.Size() > mostTookBytes {
			continue
		}
		var told Took
		if found, err := d.readJSON(TookFile, &told, ""); found && err == nil && told.Plan == plan && told.Host == host {
			return told
		}
	}
	return Took{}
}
