// Package site makes pages of a folder of runs: an index of all of them, the trend of
// every fact over the runs of one plan, two runs over each other, and each run's report.
// The same pages are served (Handler) and exported (Export). What stands in the folder is
// only read, and what it says is never trusted: a damaged run is listed as one.
package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/judge"
	"github.com/aftershock-chaos/aftershock/results/rundir"
	"github.com/aftershock-chaos/aftershock/results/say"
	studypage "github.com/aftershock-chaos/aftershock/results/study/page"
	"github.com/aftershock-chaos/aftershock/results/timeline"
)

const (
	mostDeep = 3      // folders within folders that are looked into: of groups and studies
	mostRuns = 20_000 // that a site lists
	// mostReaders is how many runs are read at a time: each has its history in memory.
	mostReaders = 4
)

// Folder is a folder of runs. It reads a run once, and again when the run has changed.
type Folder struct {
	path   string
	memory uint64 // for one history

	mu    sync.Mutex
	known map[string]*Run
}

// Content is what a folder has.
type Content struct {
	Runs    []*Run   // the newest first
	Studies []string // folders of studies that have a page, by their paths below the folder, the newest first
}

// Run is a run of a folder.
type Run struct {
	Name      string           // its path below the folder, with slashes
	Verdict   *results.Verdict // nil: Wrong says why. It has no evidence.
	Wrong     string
	Headline  string
	Over      *timeline.Data // as coarse as can be; nil: NoPicture says why
	NoPicture string
	Torn      bool // its history was cut since it was judged, or then already
	Started   time.Time
	Drawings  []string // files beside its report, by which porcupine shows registers

	plan  string // the name of its plan's page; empty: it has none
	stamp string // changes when its files do
}

// Open opens a folder of runs. Histories are read in so much memory; 0 stands for three
// quarters of what is available. Errors wrap ErrInput.
func Open(path string, memory uint64) (*Folder, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no folder %s; name the one that --out of run made", failure.ErrInput, path)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", failure.ErrInput, err)
	}
	entries, err := os.ReadDir(real)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is no folder that can be read: %w", failure.ErrInput, path, err)
	}
	if isRun(entries) {
		return nil, fmt.Errorf("%w: %s is one run; name the folder that holds it", failure.ErrInput, path)
	}
	memory = cmp.Or(memory, judge.AvailableMemory()/4*3)
	return &Folder{path: real, memory: memory / mostReaders, known: map[string]*Run{}}, nil
}

// isRun tells whether a folder with these entries is, or was to be, a run's.
func isRun(entries []fs.DirEntry) bool {
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		switch e.Name() {
		case history.FileName, history.EventsFileName, rundir.PlanFile, rundir.VerdictFile, rundir.FormatFile:
			return true
		}
		return false
	})
}

// Read is what the folder has now. The error is of the folder itself, or the context's.
func (f *Folder) Read(ctx context.Context) (*Content, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &Content{}
	var dirs []runDir
	if err := f.walk(ctx, "", 0, &dirs, c); err != nil {
		return nil, err
	}
	c.Runs = make([]*Run, len(dirs))
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(min(mostReaders, runtime.GOMAXPROCS(0)))
	for i, d := range dirs {
		workers.Go(func() error {
			c.Runs[i] = f.run(d.name, d.entries)
			return ctx.Err()
		})
	}
	if err := workers.Wait(); err != nil {
		return nil, err
	}
	f.known = map[string]*Run{}
	for _, r := range c.Runs {
		f.known[r.Name] = r
	}
	slices.SortFunc(c.Runs, func(a, b *Run) int { return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(a.Name, b.Name)) })
	slices.Sort(c.Studies)
	slices.Reverse(c.Studies) // their names begin with when they were made
	return c, nil
}

// runDir is a run that was found, and not read yet.
type runDir struct {
	name    string
	entries []fs.DirEntry
}

// walk finds the runs below a folder. Links are not followed: what they lead to is not
// of the folder.
func (f *Folder) walk(ctx context.Context, name string, depth int, found *[]runDir, c *Content) error {
	entries, err := os.ReadDir(filepath.Join(f.path, filepath.FromSlash(name)))
	if err != nil {
		if depth == 0 {
			return fmt.Errorf("%w: read the folder of runs: %w", failure.ErrInfrastructure, err)
		}
		return nil // what cannot be read has nothing to show
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > 0 && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == markFile }) {
		return nil // an export: its runs are copies
	}
	if depth > 0 && isRun(entries) {
		if len(*found) < mostRuns {
			*found = append(*found, runDir{name, entries})
		}
		return nil
	}
	for _, e := range entries {
		if e.Name() == studyFile && e.Type().IsRegular() && depth > 0 {
			if page, err := f.stored(name, studyFile); err == nil && studypage.Guarded(page) {
				c.Studies = append(c.Studies, name)
			}
		}
		if !e.IsDir() || depth == mostDeep || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := f.walk(ctx, path.Join(name, e.Name()), depth+1, found, c); err != nil {
			return err
		}
	}
	return nil
}

// run reads a run, unless it is known and has not changed.
func (f *Folder) run(name string, entries []fs.DirEntry) *Run {
	r := &Run{Name: name}
	strange := r.look(entries)
	if old := f.known[name]; old != nil && old.stamp == r.stamp {
		return old
	}
	if strange != "" {
		r.Wrong = strange + " is no regular file, so the run is not read"
	} else if err := r.read(f); err != nil {
		r.Wrong = f.words(err)
	}
	if r.Verdict == nil {
		r.Started = startedBy(name)
	}
	return r
}

// look notes what a run's entries are like. strange is one that is neither a file nor a
// folder: a link may lead out of the folder, a pipe may never end.
func (r *Run) look(entries []fs.DirEntry) (strange string) {
	var stamp strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || e.IsDir() {
			continue
		}
		if !info.Mode().IsRegular() && strange == "" {
			strange = e.Name()
		}
		fmt.Fprintf(&stamp, "%q %d %d %s\n", e.Name(), info.Size(), info.ModTime().UnixNano(), info.Mode())
		if strings.HasPrefix(e.Name(), drawingBegins) && strings.HasSuffix(e.Name(), ".html") {
			r.Drawings = append(r.Drawings, e.Name())
		}
	}
	r.stamp = stamp.String()
	return strange
}

// studyFile is the page of a study in its folder.
const studyFile = "study.html"

// drawingBegins is what the names of porcupine's views begin with.
const drawingBegins = "explain-"

// read reads the verdict, and of the history what its picture needs.
func (r *Run) read(f *Folder) error {
	dir, err := rundir.Open(filepath.Join(f.path, filepath.FromSlash(r.Name)))
	if err != nil {
		return err
	}
	v, err := dir.ReadVerdict()
	if err != nil {
		return err
	}
	if !slices.Contains([]results.Answer{results.Holds, results.OnlyMeasured, results.Unproven, results.Violated}, v.Verdict) {
		return errors.New("its verdict is none; `aftershock check` makes it again from the history")
	}
	r.Verdict, r.Started, r.Headline, r.plan = v, v.Started, say.Headline(v), planID(&v.Plan)
	over, log, err := judge.Timeline(dir, v, f.memory)
	r.Torn = err == nil && log.Torn
	switch {
	case err != nil:
		r.NoPicture = f.words(err)
	case over == nil:
		r.NoPicture = "its history has no load to draw"
	default:
		r.Over = coarse(over)
	}
	for i := range v.Findings {
		v.Findings[i] = results.Finding{Class: v.Findings[i].Class}
	}
	return nil
}

// coarse is what small pictures and comparisons need.
func coarse(over *timeline.Data) *timeline.Data {
	level := *over.Levels[0]
	for _, g := range []**timeline.Answers{&level.Reads, &level.Writes} {
		if *g != nil {
			without := **g
			without.Heat, *g = nil, &without
		}
	}
	return &timeline.Data{Begin: over.Begin, End: over.End, Levels: []*timeline.Level{&level}, Bands: over.Bands, Spreads: over.Spreads}
}

// words are an error without where the folder is on this machine.
func (f *Folder) words(err error) string {
	text := strings.ReplaceAll(err.Error(), f.path+string(filepath.Separator), "")
	return strings.TrimPrefix(text, rundir.ErrRunDir.Error()+": ")
}

// startedBy is when a run began by its name; zero if that does not tell.
func startedBy(name string) time.Time {
	stamp, _, _ := strings.Cut(path.Base(name), "-")
	at, _ := time.Parse("20060102T150405", stamp)
	return at
}
