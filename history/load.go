package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history/usage"
)

// Load reads a whole history, given its file or its run directory, and the
// events beside it if there are any; events are sorted by At. A history that
// was cut anywhere, by a killed harness or a full disk, gives all whole batches
// before the cut and Torn. Everything else that is wrong is an error that
// wraps ErrFormat or the operating system's.
func Load(path string) (*Log, error) {
	path, err := findFile(path)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load a history: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("load a history: %w", err)
	}
	log, err := read(file, path, info.Size())
	if err != nil {
		return nil, err
	}
	return log, log.readEvents(path)
}

// findFile is the file of a history, given it or its run directory.
func findFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path = filepath.Join(path, FileName)
		_, err = os.Stat(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("load a history: %w (name a run directory or its %s)", err, FileName)
	}
	if err != nil {
		return "", fmt.Errorf("load a history: %w", err)
	}
	return path, nil
}

// readEvents reads the events beside a history, if there are any, by time, and
// what the nodes took of their machine.
func (l *Log) readEvents(path string) error {
	f, err := ReadEvents(filepath.Join(filepath.Dir(path), EventsFileName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	l.Events, l.Files = f.Events, f.Files
	if l.Usage, err = l.readUsage(path, err); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	slices.SortStableFunc(l.Events, func(a, b Event) int { return cmp64(a.At, b.At) })
	switch {
	case err != nil && l.Meta.EventsMarked:
		l.EventsTorn = "it is missing"
	case err == nil && (f.Marked || l.Meta.EventsMarked):
		l.EventsTorn = f.Torn
	}
	return nil
}

// readUsage reads the usage beside a history; err is returned if there is no other.
func (l *Log) readUsage(path string, err error) ([]usage.Sample, error) {
	samples, readErr := usage.Read(filepath.Join(filepath.Dir(path), usage.FileName), l.Meta.Nodes)
	if readErr != nil {
		return nil, fmt.Errorf("load a history: %w; take the file away to judge the run without it", readErr)
	}
	return samples, err
}

// read reads a history of size bytes without its events.
func read(in io.Reader, name string, size int64) (*Log, error) {
	r, err := NewReader(in, name)
	if err != nil {
		return nil, err
	}
	log := &Log{Meta: r.Meta()}
	for {
		ops, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if need := len(log.Ops) + len(ops); need > cap(log.Ops) {
			log.Ops = slices.Grow(log.Ops, reserve(need, r.frames.offset, size)-len(log.Ops))
		}
		log.Ops = append(log.Ops, ops...)
	}
	log.Torn = r.Torn()
	log.noteLost()
	new(sorter).sort(log.Ops)
	return log, nil
}

// noteLost says which drivers were lost, and why a log is torn, if it is for that.
func (l *Log) noteLost() {
	var lost []string
	for _, d := range l.Meta.Drivers {
		if d.Lost > 0 {
			lost = append(lost, d.Name)
		}
	}
	switch {
	case len(lost) == 0:
	case l.Torn:
		l.Doubts.Torn = lost[len(lost)-1] + " was lost: what it did last is missing"
	default:
		l.Doubts.Lost = strings.Join(lost, " and ") + " was lost: what it was told last is not recorded"
		if len(lost) > 1 {
			l.Doubts.Lost = strings.Join(lost, " and ") + " were lost: what they were told last is not recorded"
		}
	}
}

// UntoldOf says why not all that lost drivers may have done in a workload is in the log
// as possible operations; empty: it is, or nobody was lost.
func (l *Log) UntoldOf(workload int) string {
	for i := range l.Meta.Drivers {
		if d := &l.Meta.Drivers[i]; l.drives(d, workload) && workload < len(d.Untold) && d.Untold[workload] != "" {
			return d.Name + " was lost: " + d.Untold[workload]
		}
	}
	return ""
}

// LostOf tells whether a driver was lost that had a part of a workload.
func (l *Log) LostOf(workload int) bool {
	for i := range l.Meta.Drivers {
		if d := &l.Meta.Drivers[i]; d.Lost > 0 && l.drives(d, workload) {
			return true
		}
	}
	return false
}

func (l *Log) drives(d *Driver, workload int) bool {
	return workload < len(d.Workers) && d.Workers[workload][0] < d.Workers[workload][1]
}

// reserve says how much room to make for operations, of which need came from
// the first read bytes of size: enough for the rest at that rate, so that a
// large log is not moved again and again, yet at most sixteen times the need.
func reserve(need int, read, size int64) int {
	expected := float64(need) * float64(size) / float64(max(read, 1))
	return max(need, int(min(1.02*expected, 16*float64(need))))
}
