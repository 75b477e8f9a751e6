// Command mutate breaks the checkers in small ways, one at a time, and tells
// which of them the tests catch. The lists are the texts beside it; the sources
// are left as they are (go build -overlay).
//
//	go run ./scripts/mutate [-parallel 2] [-only text] [list…]
//
// A mutant meets the tests that the list names for its file, and if it survives
// these all of its room (the package of checkers that the file is of), then all
// of the rooms that use it. It fails if a mutant does not apply any more or does
// not build, or if one that is not marked as equivalent survives.
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

// everyList is where the lists are.
const everyList = "scripts/mutate/*.txt"

func main() {
	jobs := flag.Int("parallel", 2, "mutants at once")
	only := flag.String("only", "", "only mutants whose file or reason contains this")
	limit := flag.Duration("limit", 90*time.Second, "for the tests of one mutant; one that takes longer is caught")
	flag.Parse()
	lists := flag.Args()
	if len(lists) == 0 {
		lists, _ = filepath.Glob(everyList)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, lists, *only, *jobs, *limit); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		stop()
		os.Exit(1)
	}
}

// verdict is what became of one mutant.
type verdict struct {
	name string // caught, survived, equivalent, or why it could not be tried
	by   string // the test that caught it
	bad  bool
	took time.Duration
}

func run(ctx context.Context, out io.Writer, lists []string, only string, jobs int, limit time.Duration) error {
	mutants, err := read(lists)
	if err != nil {
		return err
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !strings.Contains(m.file+" "+m.why, only) })
	if len(mutants) == 0 {
		return fmt.Errorf("no mutant's file or reason contains %q", only)
	}
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for i := range mutants {
		mutants[i].id = i + 1
	}
	began := time.Now()
	b, err := prepare(ctx, dir, mutants)
	if err != nil {
		return fmt.Errorf("build the tests with all mutants: %w", err)
	}
	failed := make([]error, len(b.rooms))
	atOnce(jobs, len(b.rooms), func(i int) {
		t := roomTests{b.rooms[i], "."}
		binary, _ := b.binary(ctx, &mutant{}, t.room)
		if caught, by := test(ctx, binary, t, 0, limit); caught {
			failed[i] = fmt.Errorf("the tests of %s fail without any mutant: %s", t.room, by)
		}
	})
	if err := errors.Join(failed...); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "built and tried without a mutant in %s\n", time.Since(began).Round(time.Second))
	found := make([]verdict, len(mutants))
	atOnce(jobs, len(mutants), func(i int) {
		found[i] = b.try(ctx, &mutants[i], limit)
		fmt.Fprintf(os.Stderr, "%s:%d %s\n", mutants[i].file, mutants[i].line, found[i].name)
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return report(out, mutants, found, time.Since(began))
}

// atOnce does n things, some at the same time.
func atOnce(jobs, n int, do func(i int)) {
	var group sync.WaitGroup
	slots := make(chan struct{}, max(jobs, 1))
	for i := range n {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	group.Wait()
}

// report tells each verdict, and of each file how many were caught.
func report(out io.Writer, mutants []mutant, found []verdict, took time.Duration) error {
	type count struct{ caught, equivalent, bad int }
	counts, order := map[string]*count{}, []string{}
	bad := 0
	for i, m := range mutants {
		v := found[i]
		fmt.Fprintf(out, "%-10s %s:%d %s (%.1f s) %s\n", v.name, m.file, m.line, m.why, v.took.Seconds(), v.by)
		c := counts[m.file]
		if c == nil {
			c = &count{}
			counts[m.file], order = c, append(order, m.file)
		}
		switch {
		case v.bad:
			c.bad++
			bad++
		case m.equivalent != "":
			c.equivalent++
		default:
			c.caught++
		}
	}
	fmt.Fprintln(out)
	for _, file := range order {
		c := counts[file]
		fmt.Fprintf(out, "%-28s %3d caught, %d equivalent, %d bad\n", file, c.caught, c.equivalent, c.bad)
	}
	fmt.Fprintf(out, "%d mutants in %s\n", len(mutants), took.Round(time.Second))
	if bad > 0 {
		return fmt.Errorf("%d mutants survive, or cannot be tried: write the test that catches them, or correct the list", bad)
	}
	return nil
}

// try runs the tests that the list names with the mutant, and then, unless it
// is said to be equivalent, all that could tell.
func (b *built) try(ctx context.Context, m *mutant, limit time.Duration) (v verdict) {
	if m.unfit != "" {
		return verdict{name: "unapplied", by: m.unfit, bad: true}
	}
	began := time.Now()
	defer func() { v.took = time.Since(began) }()
	if m.alone {
		defer os.RemoveAll(b.dirOf(m))
	}
	tests, named := slices.Clone(m.tests), len(m.tests)
	if m.equivalent == "" {
		for _, room := range b.users[m.room] {
			tests = append(tests, roomTests{room, "."})
		}
	}
	for i, t := range tests {
		binary, err := b.binary(ctx, m, t.room)
		if err != nil {
			return verdict{name: "unbuilt", by: err.Error(), bad: true}
		}
		if caught, by := test(ctx, binary, t, m.id, limit); caught {
			if i >= named {
				by = "at last " + by
			}
			return verdict{name: "caught", by: t.room + ": " + by, bad: m.equivalent != ""}
		}
	}
	if m.equivalent != "" {
		return verdict{name: "equivalent"}
	}
	return verdict{name: "survived", bad: true}
}

// test runs tests of a room in its directory, as go test would, with a mutant
// in force.
func test(ctx context.Context, binary string, t roomTests, id int, limit time.Duration) (caught bool, by string) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	run := exec.CommandContext(ctx, binary, "-test.short", "-test.failfast", "-test.run", t.names)
	run.Dir, run.Env = filepath.Join(home, t.room), append(os.Environ(), fmt.Sprintf("%s=%d", chosen, id), "RAPID_NOFAILFILE=1")
	output, err := run.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return true, "time"
	case err == nil:
		return false, ""
	}
	for line := range strings.Lines(string(output)) {
		if name, ok := strings.CutPrefix(line, "--- FAIL: "); ok {
			return true, strings.TrimSpace(name)
		}
	}
	first, _, _ := strings.Cut(string(output), "\n")
	return true, first
}
