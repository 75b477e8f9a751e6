package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/report"
)

// pretender is a program in place of aftershock that makes runs with these
// verdicts by turns, and none after the last.
func pretender(t *testing.T, verdicts ...*results.Verdict) string {
	t.Helper()
	dir := t.TempDir()
	for i, v := range verdicts {
		var r bytes.Buffer
		if err := report.JSON(&r, v); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i+1)), r.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path, script := filepath.Join(dir, "aftershock"), `#!/bin/sh
echo "$*" >>`+dir+`/calls
cat "`+dir+`/$(wc -l <`+dir+`/calls)"
`
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRuns(t *testing.T) {
	right, holds := violated(checkers.Duplicate), &results.Verdict{Verdict: results.Holds}
	wrong := violated(checkers.Duplicate, checkers.LostElement)
	nine := []*results.Verdict{right, right, right, right, right, right, right, right, right}
	for _, tc := range []struct {
		name     string
		verdicts []*results.Verdict
		runs     int
		sound    bool
		row, bad string
	}{
		{"right", nine, 9, false, "9 of 9 | duplicate-element 1 |", ""},
		{"no verdict once in ten", nine, 10, false, "9 of 10 | duplicate-element 1 (in 9) |", ""},
		{"no verdict once in three", nine[:2], 3, false, "2 of 3 |", "not every run found"},
		{"accused once in ten", append([]*results.Verdict{wrong}, nine...), 10, false, "9 of 10 | duplicate-element 1 | lost-element 1 (in 1) |", "not every run found"},
		{"sound", []*results.Verdict{holds, holds}, 2, true, "2 of 2 |  |  |", ""},
		{"not sound", append([]*results.Verdict{right}, nine...), 10, true, "0 of 10 |  | duplicate-element 1 |", "not every run found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out, progress bytes.Buffer
			r := runner{binary: pretender(t, tc.verdicts...), runs: tc.runs, sound: tc.sound, out: &out, progress: &progress}
			err := r.all(t.Context(), []string{"duplicate-element"})
			if !strings.Contains(out.String(), "| `duplicate-element` | "+tc.row) || strings.Count(out.String(), "\n") != 3 {
				t.Errorf("the table is\n%s%s", out.String(), progress.String())
			}
			if (err == nil) != (tc.bad == "") || err != nil && !strings.Contains(err.Error(), tc.bad) {
				t.Errorf("%v, want %q:\n%s", err, tc.bad, progress.String())
			}
			calls, err := os.ReadFile(filepath.Join(filepath.Dir(r.binary), "calls"))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(calls), "run plans/bugs/duplicate-element.yaml"); n != tc.runs ||
				strings.Contains(string(calls), "--set target.options.bug=") != tc.sound {
				t.Errorf("%d runs:\n%s", n, calls)
			}
		})
	}
	if err := (&runner{}).all(t.Context(), []string{"no-such-plan"}); err == nil {
		t.Error("a plan that nothing is expected of was taken")
	}
}
