package judge

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// damages is in about how many ways each file is damaged; far more find more.
var damages = flag.Int("damages", 8, "ways to damage each file of a run")

// damaged are the ways in which a file of a run is damaged: cut, with a line
// dropped, doubled, or changed.
func damaged(contents []byte, lines bool, random *rand.Rand, tries int) map[string][]byte {
	all := map[string][]byte{}
	cut := func(at int) {
		if at >= 0 && at < len(contents) {
			all[fmt.Sprintf("cut at %d of %d", at, len(contents))] = contents[:at]
		}
	}
	for range tries {
		cut(random.IntN(len(contents)))
	}
	cut(0)
	cut(len(contents) - 1)
	cut(len(contents) - 8)
	if !lines {
		return all
	}
	split := bytes.SplitAfter(bytes.TrimSuffix(contents, []byte("\n")), []byte("\n"))
	end := 0
	for i, line := range split {
		end += len(line)
		cut(end)
		cut(end - 1)
		all[fmt.Sprintf("without line %d", i+1)] = bytes.Join(slices.Concat(split[:i], split[i+1:]), nil)
		all[fmt.Sprintf("with line %d twice", i+1)] = bytes.Join(slices.Concat(split[:i+1], split[i:]), nil)
		changed := bytes.Clone(line)
		changed[random.IntN(len(changed))] ^= byte(1 + random.IntN(127))
		all[fmt.Sprintf("with line %d changed to %q", i+1, changed)] = bytes.Join(slices.Concat(split[:i], [][]byte{changed}, split[i+1:]), nil)
	}
	return all
}

// TestDamagedRunsAreNotBetter: whatever is missing of a run, or changed in it, no
// verdict gets better by it: what was unknown or violated never holds.
func TestDamagedRunsAreNotBetter(t *testing.T) {
	checktest.Alone(t)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	for name, want := range map[string]results.Answer{"holds": results.Holds, "violated": results.Violated, "unknown": results.Unproven} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "whole", name))); err != nil {
			t.Fatal(err)
		}
		verdict := filepath.Join(dir, rundir.VerdictFile)
		if _, err := os.Stat(verdict); err != nil { // so that none is made, which takes long
			if err := os.WriteFile(verdict, []byte("{}"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		check := func(what string) (results.Answer, error) {
			result, err := Check(context.Background(), dir, Options{})
			if err != nil {
				if !errors.Is(err, failure.ErrInput) {
					t.Errorf("%s: %s: %v", name, what, err)
				}
				return "", err
			}
			return result.Verdict.Verdict, nil
		}
		if got, err := check("whole"); err != nil || got != want {
			t.Fatalf("the run %s is %s, %v", name, got, err)
		}
		for _, file := range []string{history.EventsFileName, history.FileName, rundir.ScheduleFile, rundir.PlanFile, rundir.VerdictFile} {
			path := filepath.Join(dir, file)
			contents, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			ways := damaged(contents, file != history.FileName && len(contents) < 8<<10, random, 100)
			for i, how := range slices.Sorted(maps.Keys(ways)) {
				bad := ways[how]
				if random.IntN(len(ways)) >= *damages && i > 0 {
					continue
				}
				if err := os.WriteFile(path, bad, 0o644); err != nil {
					t.Fatal(err)
				}
				got, err := check(file + " " + how)
				if err == nil && got == results.Holds && file != rundir.VerdictFile && (want != results.Holds || file == history.EventsFileName && !whole(bad, contents)) {
					t.Errorf("seed %d: the run that is %s holds with %s %s", seed, want, file, how)
				}
				if err == nil && file == rundir.VerdictFile && got != want {
					t.Errorf("seed %d: the run that is %s is %s with %s %s", seed, want, got, file, how)
				}
			}
			if err := os.WriteFile(path, contents, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Remove(filepath.Join(dir, history.EventsFileName)); err != nil {
			t.Fatal(err)
		}
		if got, err := check("without events"); err == nil && got == results.Holds {
			t.Errorf("the run that is %s holds without its events", want)
		}
	}
}

// whole tells whether all but the end mark's own words is as it was.
func whole(a, b []byte) bool {
	last := bytes.LastIndexByte(bytes.TrimSuffix(b, []byte("\n")), '\n')
	return len(a) > last && bytes.Equal(a[:last], b[:last])
}
