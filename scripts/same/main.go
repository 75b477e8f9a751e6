// Command same proves that a restructuring changes no behaviour: it runs two
// builds of aftershock on copies of the same runs and foreign histories and
// compares what they print, how they exit and every file that they write, byte
// for byte.
//
//	go run ./scripts/same -old BIN -new BIN -runs DIR [-foreign PATH…]
//
// Both work in the same place, one after the other, with the runs' own times of
// modification, so that neither paths nor times differ; nothing is masked but
// what the table of expected.go says. Each difference is an excerpt of a
// unified diff; the last line is `N same, N different`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	c := comparison{out: os.Stdout, progress: os.Stderr, excuses: excuses}
	var runs string
	var foreign []string
	flag.StringVar(&c.old, "old", "", "the program as it was")
	flag.StringVar(&c.new, "new", "bin/aftershock", "the program as it is")
	flag.StringVar(&runs, "runs", "runs", "a folder of runs")
	flag.Func("foreign", "a history that another tool recorded, or a folder of such; more may follow the flags", func(path string) error {
		foreign = append(foreign, path)
		return nil
	})
	flag.StringVar(&c.only, "only", "", "only subjects whose name contains this")
	flag.IntVar(&c.wide, "parallel", 2, "subjects at once")
	flag.IntVar(&c.shown, "show", 40, "differences that are shown; the rest is only named")
	flag.DurationVar(&c.limit, "limit", 2*time.Minute, "for one command")
	total := flag.Duration("total", 30*time.Minute, "for all of them")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, *total, fmt.Errorf("not done after %s", *total))
	defer cancel()
	if err := c.all(ctx, runs, append(foreign, flag.Args()...)); err != nil {
		fmt.Fprintln(os.Stderr, "same:", err)
		cancel()
		stop()
		os.Exit(1)
	}
}

// comparison is of two programs.
type comparison struct {
	old, new      string
	only          string // in the subject's name
	wide, shown   int
	limit         time.Duration
	excuses       []excuse
	out, progress io.Writer

	mu              sync.Mutex // of what follows, and of out and progress
	same, different int
	excused         map[string]int // times that an excuse applied
}

var errDifferent = errors.New("the two programs differ")

// all compares what the programs make of every subject.
func (c *comparison) all(ctx context.Context, runs string, foreign []string) error {
	for _, path := range []*string{&c.old, &c.new} {
		found, err := exec.LookPath(*path)
		if err == nil {
			found, err = filepath.Abs(found) // they work elsewhere
		}
		if err != nil {
			return fmt.Errorf("name the two programs with -old and -new: %w", err)
		}
		*path = found
	}
	dir, err := os.MkdirTemp("", "same-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f, err := findForms(ctx, c.limit, c.old)
	if err != nil {
		return err
	}
	subjects, err := findSubjects(f, runs, foreign)
	if err != nil {
		return err
	}
	subjects = slices.DeleteFunc(subjects, func(s subject) bool { return !strings.Contains(s.name, c.only) })
	if len(subjects) == 0 {
		return errors.New("there is nothing to compare")
	}
	c.excused = map[string]int{}
	failures := c.each(ctx, dir, subjects)
	c.conclude(len(subjects))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case len(failures) > 0:
		return errors.Join(failures...)
	case c.different > 0:
		return errDifferent
	}
	return nil
}

// each compares the subjects, a few at once.
func (c *comparison) each(ctx context.Context, dir string, subjects []subject) (failures []error) {
	var group sync.WaitGroup
	slots := make(chan int, max(c.wide, 1))
	for i := range cap(slots) {
		slots <- i
	}
	for i := range subjects {
		slot := <-slots
		if ctx.Err() != nil {
			break
		}
		group.Go(func() {
			defer func() { slots <- slot }()
			began := time.Now()
			n, err := c.subject(ctx, filepath.Join(dir, fmt.Sprint("work", slot)), &subjects[i])
			c.mu.Lock()
			defer c.mu.Unlock()
			if err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", subjects[i].name, err))
			}
			fmt.Fprintf(c.progress, "[%d/%d] %s: %d different (%.1f s)\n", i+1, len(subjects), subjects[i].name, n, time.Since(began).Seconds())
		})
	}
	group.Wait()
	return failures
}

// subject compares one and tells how much of it differs.
func (c *comparison) subject(ctx context.Context, dir string, s *subject) (different int, err error) {
	old, err := observe(ctx, c.limit, c.old, dir, s)
	if err != nil {
		return 0, fmt.Errorf("the old program: %w", err)
	}
	now, err := observe(ctx, c.limit, c.new, dir, s)
	if err != nil {
		return 0, fmt.Errorf("the new program: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range pairs(old, now) {
		if c.equal(&p) {
			c.same++
			continue
		}
		different++
		c.different++
		fmt.Fprintf(c.out, "== %s: %s\n", s.name, p.name)
		if c.different <= c.shown {
			fmt.Fprintln(c.out, excerpt(p.old, p.new))
		}
	}
	return different, nil
}

// conclude says how often each excuse was needed, and the counts.
func (c *comparison) conclude(subjects int) {
	for _, e := range c.excuses {
		if n := c.excused[e.name]; n > 0 {
			fmt.Fprintf(c.out, "expected: %s, %d times: %s\n", e.name, n, e.why)
		}
	}
	fmt.Fprintf(c.progress, "%d subjects\n", subjects)
	fmt.Fprintf(c.out, "%d same, %d different\n", c.same, c.different)
}
