package harness

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/owner"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/usage"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// lockName is the file in a run directory that a living harness holds locked.
const lockName = ".lock"

// record is what a run leaves behind while it goes on: the run directory with
// the plan, the schedule and the log, the events and the history.
type record struct {
	dir     *rundir.Dir
	lock    *os.File
	logFile *os.File
	log     *slog.Logger // to the caller's and to logFile
	events  *history.EventLog
	history *history.Recorder
	join    func(path string) error // what others recorded to what is in path; nil: nobody else did
	usage   *usage.Writer
	news    news
}

// mostNews bounds the events that nobody has asked for yet.
const mostNews = 4096

// news are the events since somebody asked last; of too many the oldest are gone.
type news struct {
	mu     sync.Mutex
	events []history.Event
}

func (n *news) add(e history.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.events) == mostNews {
		n.events = n.events[1:]
	}
	n.events = append(n.events, e)
}

func (n *news) take() []history.Event {
	n.mu.Lock()
	defer n.mu.Unlock()
	events := n.events
	n.events = nil
	return events
}

// openRecord makes the run directory and begins all but the history, which
// startHistory does. On error nothing is left.
func openRecord(r *request, started time.Time) (_ *record, err error) {
	rec := &record{log: r.options.Logger}
	if rec.dir, err = rundir.Create(r.options.RunsDir, r.plan.Name, r.plan.Seed, started, r.launch); err != nil {
		return nil, failure.Infrastructure("make the run directory", err)
	}
	defer func() {
		if err != nil {
			rec.remove()
		}
	}()
	if rec.lock, err = owner.Lock(rec.dir.File(lockName), r.launch); err != nil {
		return nil, failure.Infrastructure("lock the run directory", err)
	}
	if rec.logFile, err = os.Create(rec.dir.File("harness.log")); err != nil {
		return nil, failure.Infrastructure("open the harness's log", err)
	}
	file := slog.NewTextHandler(rec.logFile, &slog.HandlerOptions{Level: slog.LevelDebug})
	rec.log = slog.New(slog.NewMultiHandler(rec.log.Handler(), file))
	text, err := r.plan.YAML()
	if err != nil {
		return nil, failure.Infrastructure("encode the plan", err)
	}
	if err = rec.dir.WritePlan(text); err != nil {
		return nil, failure.Infrastructure("save the plan", err)
	}
	if err = rec.dir.WriteSchedule(r.schedule); err != nil {
		return nil, failure.Infrastructure("save the schedule", err)
	}
	if r.control != nil {
		if err = rec.dir.WriteControl(r.control); err != nil {
			return nil, failure.Infrastructure("save what the control showed", err)
		}
	}
	if rec.events, err = history.CreateEventLog(rec.dir.File(history.EventsFileName)); err != nil {
		return nil, failure.Infrastructure("open the event log", err)
	}
	return rec, nil
}

// startHistory starts the recorder, which shows all that it records to tap. On
// error nothing is left of the record.
func (r *record) startHistory(meta history.Meta, tap func([]history.Op)) error {
	var err error
	if r.history, err = history.NewRecorder(r.dir.File(history.FileName), meta, tap); err != nil {
		_ = r.events.Close() // it goes with the directory
		r.remove()
		return failure.Infrastructure("start recording", failure.OutOfSpace(err))
	}
	if r.usage, err = usage.Create(r.dir.File(usage.FileName), meta.Nodes); err != nil {
		err = errors.Join(err, r.history.Close(), r.events.Close()) // they go with the directory
		r.remove()
		return failure.Infrastructure("start recording", failure.OutOfSpace(err))
	}
	return nil
}

// watchHistory returns an error when the history can no longer be written. It
// is an actor.
func (r *record) watchHistory(ctx context.Context) error {
	select {
	case err := <-r.history.Failed():
		return failure.Infrastructure("the run was stopped", failure.OutOfSpace(err))
	case <-ctx.Done():
		return nil
	}
}

// emit writes an event to the record and to the log.
func (r *record) emit(event history.Event) {
	r.news.add(event)
	if err := r.events.Append(event); err != nil {
		r.log.Error("an event could not be recorded", "err", err)
	}
	level := slog.LevelDebug
	if event.Kind == history.EventGateFailed || event.Failed && (event.Kind == history.EventExit || event.Kind == history.EventAway) {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("at", time.Duration(event.At).Round(time.Millisecond).String())}
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	text("fault", event.Fault)
	text("name", event.Name)
	text("node", event.Node)
	text("nodes", strings.Join(event.Nodes, " "))
	text("detail", event.Detail)
	r.log.LogAttrs(context.Background(), level, string(event.Kind), attrs...)
}

// sync has the disk keep what was recorded so far.
func (r *record) sync() {
	if err := errors.Join(r.history.Sync(), r.events.Sync()); err != nil {
		r.log.Warn("what was recorded may not be on the disk yet", "err", err)
	}
}

// close ends the history and the events, so that they can be read. The events
// end with a mark, which holds the plan and the schedule that was executed to
// what they are now. at is the clock's reading.
func (r *record) close(at int64, executed []faults.Planned) error {
	err := errors.Join(r.usage.Close(), r.dir.WriteSchedule(executed))
	files := map[string]string{}
	for _, name := range []string{rundir.PlanFile, rundir.ScheduleFile, rundir.MachineFile, usage.FileName} {
		contents, readErr := os.ReadFile(r.dir.File(name))
		if name == rundir.MachineFile && errors.Is(readErr, fs.ErrNotExist) {
			continue // no replica set was formed
		}
		files[name], err = history.Checksum(contents), errors.Join(err, readErr)
	}
	err = errors.Join(err, r.history.Close())
	if r.join != nil {
		err = errors.Join(err, r.join(r.dir.File(history.FileName)))
	}
	return errors.Join(err, r.events.End(at, files))
}

// release gives the run directory up: what is in it belongs to no living run.
func (r *record) release() {
	if r.lock != nil {
		_ = owner.Unlock(r.lock)
	}
	if r.logFile != nil {
		_ = r.logFile.Close()
	}
}

// remove is release without leaving the directory behind.
func (r *record) remove() {
	r.release()
	_ = os.RemoveAll(r.dir.Path())
}

// Running tells whether a harness is at work on a run's directory, or on a run of a
// group's, now.
func Running(path string) bool {
	locks, err := filepath.Glob(filepath.Join(globbed(path), "*", lockName))
	if err != nil {
		return true // nobody can tell
	}
	return slices.ContainsFunc(append(locks, filepath.Join(path, lockName)), func(lock string) bool {
		file, err := os.Open(lock)
		if err != nil {
			return false
		}
		defer file.Close()
		return !owner.Free(file)
	})
}

// globbed is a path as filepath.Glob takes it literally.
func globbed(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
