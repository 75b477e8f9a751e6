// Command mutate breaks the checkers in small ways, one at a time, and tells
// which of them the tests catch. The lists are the texts beside it; the sources
// are left as they are (go build -overlay).
//
//	go run ./scripts/mutate [-parallel 2] [-only text] [list…]
//
// A mutant meets the tests that the list names for its file, and all others if
// it survives these. It fails if a mutant does not apply any more or does not
// build, or if one that is not marked as equivalent survives.
package main

import (
	"context"
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
	jobs := flag.Int("parallel", 2, "mutants at once")
	only := flag.String("only", "", "only mutants whose file or reason contains this")
	limit := flag.Duration("limit", 90*time.Second, "for the tests of one mutant; one that takes longer is caught")
	flag.Parse()
	lists := flag.Args()
	if len(lists) == 0 {
		lists, _ = filepath.Glob("scripts/mutate/*.txt")
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
	var mutants []mutant
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			return err
		}
		more, err := parse(filepath.Base(list), string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", list, err)
		}
		mutants = append(mutants, more...)
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !strings.Contains(m.file+" "+m.why, only) })
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for i := range mutants {
		mutants[i].id = i + 1
	}
	began := time.Now()
	binary, err := prepare(ctx, dir, mutants)
	if err != nil {
		return fmt.Errorf("build the tests with all mutants: %w", err)
	}
	if caught, by := test(ctx, binary, 0, ".", limit); caught {
		return fmt.Errorf("the tests fail without any mutant: %s", by)
	}
	fmt.Fprintf(os.Stderr, "built and tried without a mutant in %s\n", time.Since(began).Round(time.Second))
	found := make([]verdict, len(mutants))
	var group sync.WaitGroup
	slots := make(chan struct{}, max(jobs, 1))
	for i := range mutants {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			found[i] = mutants[i].try(ctx, dir, binary, limit)
			fmt.Fprintf(os.Stderr, "%s:%d %s\n", mutants[i].file, mutants[i].line, found[i].name)
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return report(out, mutants, found, time.Since(began))
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
// is said to be equivalent, all.
func (m *mutant) try(ctx context.Context, dir, common string, limit time.Duration) (v verdict) {
	if m.unfit != "" {
		return verdict{name: "unapplied", by: m.unfit, bad: true}
	}
	began := time.Now()
	defer func() { v.took = time.Since(began) }()
	binary, err := m.built(ctx, dir, common)
	if err != nil {
		return verdict{name: "unbuilt", by: err.Error(), bad: true}
	}
	if m.alone {
		defer os.RemoveAll(filepath.Dir(binary))
	}
	caught, by := test(ctx, binary, m.id, m.tests, limit)
	if !caught && m.equivalent == "" {
		caught, by = test(ctx, binary, m.id, ".", limit)
		by = strings.TrimSpace("at last " + by)
	}
	switch {
	case caught:
		return verdict{name: "caught", by: by, bad: m.equivalent != ""}
	case m.equivalent != "":
		return verdict{name: "equivalent"}
	}
	return verdict{name: "survived", bad: true}
}

// test runs a test binary in its package's directory, as go test would, with a
// mutant in force.
func test(ctx context.Context, binary string, id int, tests string, limit time.Duration) (caught bool, by string) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	run := exec.CommandContext(ctx, binary, "-test.short", "-test.failfast", "-test.run", tests, "-rapid.nofailfile")
	run.Dir, run.Env = pkg, append(os.Environ(), fmt.Sprintf("%s=%d", chosen, id))
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
