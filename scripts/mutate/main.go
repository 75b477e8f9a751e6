// Command mutate breaks the checkers in small ways, one at a time, and tells
// which of them the tests catch. The list is mutants.txt; the sources are left
// as they are (go build -overlay).
//
//	go run ./scripts/mutate [-parallel 2] [-only text] [list]
//
// It fails if a mutant does not apply any more or does not build, or if one
// that is not marked as equivalent survives.
package main

import (
	"cmp"
	"context"
	"encoding/json"
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
	jobs := flag.Int("parallel", 2, "mutants at once")
	only := flag.String("only", "", "only mutants whose file or reason contains this")
	quick := flag.Bool("quick", false, "try only the tests that the list names for a file, not all of them then")
	limit := flag.Duration("limit", 90*time.Second, "for the tests of one mutant; one that takes longer is caught")
	flag.Parse()
	list := cmp.Or(flag.Arg(0), "scripts/mutate/mutants.txt")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, list, *only, *jobs, *limit, *quick); err != nil {
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

func run(ctx context.Context, out io.Writer, list, only string, jobs int, limit time.Duration, quick bool) error {
	text, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	mutants, err := parse(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", list, err)
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !strings.Contains(m.file+" "+m.why, only) })
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if v := (&mutant{pkg: "./checkers", tests: "."}).try(ctx, filepath.Join(dir, "none"), limit, quick); v.name != "survived" {
		return fmt.Errorf("the tests fail without any mutant: %s %s", v.name, v.by)
	}
	found, began := make([]verdict, len(mutants)), time.Now()
	var group sync.WaitGroup
	slots := make(chan struct{}, max(jobs, 1))
	for i := range mutants {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			found[i] = mutants[i].try(ctx, filepath.Join(dir, fmt.Sprint(i)), limit, quick)
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

// try builds the tests with the mutant and runs them: first those that its
// entry names, then all. dir is its own and need not exist.
func (m *mutant) try(ctx context.Context, dir string, limit time.Duration, quick bool) (v verdict) {
	began := time.Now()
	defer func() { v.took = time.Since(began) }()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return verdict{name: "error", by: err.Error(), bad: true}
	}
	defer os.RemoveAll(dir)
	overlay, err := m.overlay(dir)
	if err != nil {
		return verdict{name: "unapplied", by: err.Error(), bad: true}
	}
	binary := filepath.Join(dir, "test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, m.pkg)
	if output, err := build.CombinedOutput(); err != nil {
		return verdict{name: "unbuilt", by: string(output), bad: true}
	}
	tries := slices.Compact([]string{m.tests, "."})
	if quick {
		tries = tries[:1]
	}
	for _, tests := range tries {
		if caught, by := m.test(ctx, binary, tests, limit); caught {
			return verdict{name: "caught", by: by, bad: m.equivalent != ""}
		}
	}
	if m.equivalent != "" {
		return verdict{name: "equivalent"}
	}
	return verdict{name: "survived", bad: true}
}

// test runs a test binary in its package's directory, as go test would.
func (m *mutant) test(ctx context.Context, binary, tests string, limit time.Duration) (caught bool, by string) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	test := exec.CommandContext(ctx, binary, "-test.short", "-test.failfast", "-test.run", tests)
	test.Dir = m.pkg
	output, err := test.CombinedOutput()
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

// overlay writes the broken file and the overlay that puts it in its place.
func (m *mutant) overlay(dir string) (string, error) {
	replace := map[string]string{}
	if m.file != "" {
		path, err := filepath.Abs(filepath.Join(m.pkg, m.file))
		if err != nil {
			return "", err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		switch n := strings.Count(string(source), m.old); {
		case n == 0:
			return "", errors.New("the text is not in the file any more")
		case n > 1:
			return "", fmt.Errorf("the text is in the file %d times", n)
		}
		replace[path] = filepath.Join(dir, "broken.go")
		if err := os.WriteFile(replace[path], []byte(strings.Replace(string(source), m.old, m.new, 1)), 0o644); err != nil {
			return "", err
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o644)
}
