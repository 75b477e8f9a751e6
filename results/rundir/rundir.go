// Package rundir is a run's directory: its files, written whole or not at all.
package rundir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/wholefile"
	"github.com/aftershock-chaos/aftershock/results"
)

// The files of a run directory besides history.FileName and
// history.EventsFileName.
const (
	PlanFile      = "plan.yaml"     // the effective plan
	ScheduleFile  = "schedule.json" // the faults that were executed
	VerdictFile   = "verdict.json"
	ControlFile   = "control.json" // what the plan's negative control showed, if it was made
	MachineFile   = "machine.json" // what the run was made on and with
	ReportFile    = "report.html"
	LatencyFile   = "latency.hlog"
	LagFile       = "lag.hlog"
	StalenessFile = "staleness.hlog"
	VersionsFile  = "versions.hlog"
	HarnessLog    = "harness.log"
	NodesDir      = "nodes" // one folder for each node, with its server's output
	LatestLink    = "latest"
)

// ErrRunDir is wrapped by the errors of Open and of the reading methods when
// the directory is missing, unreadable or not a run's. The message names the
// path and the remedy.
var ErrRunDir = errors.New("not a usable run directory")

const (
	stampLayout   = "20060102T150405" // of when a run began, in its directory's name
	maxPlanName   = 64                // bytes of the plan's name in a directory's name
	launchPart    = 8                 // characters of the launch's id in a directory's name
	maxCollisions = 1000              // runs of one plan and seed that start in one second
	maxVerdict    = 256 << 20
)

// Dir is one run's directory.
type Dir struct {
	path   string
	format int
}

// Create makes a new directory <root>/<time>-<plan>-<seed>-<part of launch> with
// its nodes folder and points <root>/latest to it. Launch is random and the run's
// own, so that runs of one plan and seed that start in one second have different
// names in all folders. The root is made if it is missing; an existing run is
// never reused: a number is appended instead.
func Create(root, planName string, seed uint64, started time.Time, launch string) (*Dir, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, writeError("create the folder of runs", root, err)
	}
	base := fmt.Sprintf("%s-%s-%d-%s", started.Format(stampLayout), fileName(planName), seed, strings.ToLower(launch[:min(launchPart, len(launch))]))
	for i := 1; i <= maxCollisions; i++ {
		name := base
		if i > 1 {
			name = fmt.Sprintf("%s-%d", base, i)
		}
		path := filepath.Join(root, name)
		err := os.Mkdir(path, 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, writeError("create the run directory", path, err)
		}
		return fill(root, path)
	}
	return nil, fmt.Errorf("create the run directory %s: %d runs of this name exist already; choose another folder", filepath.Join(root, base), maxCollisions)
}

// fill completes a directory that was just made and takes it away again when
// it cannot.
func fill(root, path string) (*Dir, error) {
	nodes := filepath.Join(path, NodesDir)
	if err := os.Mkdir(nodes, 0o755); err != nil {
		return nil, errors.Join(writeError("create the folder", nodes, err), os.RemoveAll(path))
	}
	d := &Dir{path: path, format: FormatVersion}
	if err := d.writeFormat(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	if err := pointLatest(root, filepath.Base(path)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	return d, nil
}

// pointLatest replaces the link in one step, so that runs which start at the
// same time do not see it missing.
func pointLatest(root, name string) error {
	link := filepath.Join(root, LatestLink)
	temp := filepath.Join(root, "."+LatestLink+"-"+filepath.Base(name))
	if err := os.Symlink(name, temp); err != nil {
		return writeError("link", temp, err)
	}
	if err := os.Rename(temp, link); err != nil {
		return errors.Join(writeError("link", link, err), os.Remove(temp))
	}
	return nil
}

// fileName keeps what is safe in a file's name on every system.
func fileName(s string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, s)
	safe = strings.Trim(safe, ".-")
	if len(safe) > maxPlanName {
		safe = safe[:maxPlanName]
	}
	if safe == "" {
		return "plan"
	}
	return safe
}

// Open opens the directory of an earlier run, of today's format or an older
// one. A link such as runs/latest is followed. Its errors wrap ErrRunDir.
func Open(path string) (*Dir, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, openError(path, err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return nil, openError(path, err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%w: %s is a file; name the folder that holds it", ErrRunDir, path)
	}
	entries, err := os.ReadDir(real)
	if err != nil {
		return nil, openError(path, err)
	}
	for _, e := range entries {
		switch e.Name() {
		case history.FileName, history.EventsFileName, PlanFile, VerdictFile, FormatFile:
			format, err := readFormat(real)
			if err != nil {
				return nil, err
			}
			return &Dir{path: real, format: format}, nil
		}
	}
	return nil, fmt.Errorf("%w: %s holds neither %s nor %s; name one run's own folder, such as runs/latest", ErrRunDir, path, history.FileName, PlanFile)
}

func openError(path string, err error) error {
	remedy := "check the path"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		remedy = "it does not exist; list the folder of runs, or use runs/latest"
	case errors.Is(err, fs.ErrPermission):
		remedy = "make it readable for this user"
	}
	return fmt.Errorf("%w: %s: %w; %s", ErrRunDir, path, err, remedy)
}

// Path is the directory's path.
func (d *Dir) Path() string { return d.path }

// Format is the version of the format in which the run was recorded, 1 to
// FormatVersion.
func (d *Dir) Format() int { return d.format }

// Name is the directory's own name, which is also the run's id.
func (d *Dir) Name() string { return filepath.Base(d.path) }

// File is the path of one of the directory's files.
func (d *Dir) File(name string) string { return filepath.Join(d.path, name) }

// NodeDir makes (if need be) and returns the folder for a node's logs.
func (d *Dir) NodeDir(node string) (string, error) {
	path := filepath.Join(d.path, NodesDir, fileName(node))
	if err := os.MkdirAll(path, 0o755); err != nil {
		return "", writeError("create the folder", path, err)
	}
	return path, nil
}

// WritePlan writes the effective plan.
func (d *Dir) WritePlan(yaml []byte) error {
	return d.Write(PlanFile, func(w io.Writer) error {
		_, err := w.Write(yaml)
		return err
	})
}

// WriteSchedule writes the executed schedule as JSON.
func (d *Dir) WriteSchedule(schedule any) error { return d.writeJSON(ScheduleFile, schedule) }

// WriteControl writes what the plan's negative control showed.
func (d *Dir) WriteControl(c *results.Control) error { return d.writeJSON(ControlFile, c) }

// ReadControl reads what the plan's negative control showed; nil if none was
// made. Its errors wrap ErrRunDir.
func (d *Dir) ReadControl() (*results.Control, error) {
	c := new(results.Control)
	found, err := d.readJSON(ControlFile, c, "take the file away to judge the run without its control")
	if !found {
		return nil, err
	}
	return c, err
}

// readJSON reads a file that need not be there.
func (d *Dir) readJSON(name string, v any, remedy string) (found bool, err error) {
	path := d.File(name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, openError(path, err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return false, fmt.Errorf("%w: %s: %w; %s", ErrRunDir, path, err, remedy)
	}
	return true, nil
}

// WriteMachine writes what the run is made on.
func (d *Dir) WriteMachine(m *results.Machine) error { return d.writeJSON(MachineFile, m) }

// ReadMachine reads what the run was made on; nil if it does not tell. Its errors
// wrap ErrRunDir.
func (d *Dir) ReadMachine() (*results.Machine, error) {
	m := new(results.Machine)
	found, err := d.readJSON(MachineFile, m, "take the file away to judge the run without it")
	if !found {
		return nil, err
	}
	return m, err
}

// WriteVerdict writes the verdict.
func (d *Dir) WriteVerdict(v *results.Verdict) error { return d.writeJSON(VerdictFile, v) }

// WriteHistograms writes the histogram logs of latency and, if the run measured
// them, of staleness in time and in versions, and of lag. m is what was measured of the log; started is
// when the run's clock read zero. Of a log on disk it leaves out what the memory
// did not suffice to measure.
func (d *Dir) WriteHistograms(log *history.Log, m *results.Measured, started time.Time) error {
	values := m.ByName()
	lacks := func(name string) bool { return log.OnDisk() && (!values[name].Known || values[name].AtLeast) }
	err := d.Write(LatencyFile, func(w io.Writer) error { return WriteLatencyLog(w, log, started) })
	if values["reads.ok"].Known && !lacks("reads.staleness.max") { // else there are no registers, or their checking was cut short
		err = errors.Join(err, d.Write(StalenessFile, func(w io.Writer) error {
			return d.Write(VersionsFile, func(versions io.Writer) error { return WriteStalenessLogs(w, versions, log, m.Stale, started) })
		}))
	}
	if len(log.WorkloadIndex(history.ObjectMarker)) == 0 || lacks("lag.markers") {
		return err
	}
	return errors.Join(err, d.Write(LagFile, func(w io.Writer) error { return WriteLagLog(w, log, started) }))
}

func (d *Dir) writeJSON(name string, v any) error {
	return d.Write(name, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	})
}

// ReadVerdict reads the verdict of an earlier run. Its errors wrap ErrRunDir.
func (d *Dir) ReadVerdict() (*results.Verdict, error) {
	path := d.File(VerdictFile)
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: %s: %w; the run did not finish: `aftershock check %s` makes it from the history", ErrRunDir, path, err, d.path)
		}
		return nil, openError(path, err)
	}
	defer f.Close()
	var v results.Verdict
	if err := json.NewDecoder(io.LimitReader(f, maxVerdict)).Decode(&v); err != nil {
		return nil, fmt.Errorf("%w: %s: %w; `aftershock check %s` makes it again from the history", ErrRunDir, path, err, d.path)
	}
	if v.Version != results.VerdictVersion {
		return nil, fmt.Errorf("%w: %s has version %d, this program knows %d; `aftershock check %s` makes it again from the history", ErrRunDir, path, v.Version, results.VerdictVersion, d.path)
	}
	return &v, nil
}

// Write writes one file of the directory in one step: a reader sees the old
// contents or all of the new, also after a crash. Errors name the path.
func (d *Dir) Write(name string, write func(io.Writer) error) error {
	path := d.File(name)
	if err := wholefile.Replace(path, 0o644, write); err != nil {
		return writeError("write", path, err)
	}
	return nil
}

// writeError adds the path and, for the two usual causes, the remedy.
func writeError(step, path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s %s: %w; free space there or choose another folder for runs", step, path, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s %s: %w; make it writable for this user or choose another folder for runs", step, path, err)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s %s: %w; move what is there away", step, path, err)
	}
	return fmt.Errorf("%s %s: %w", step, path, err)
}
