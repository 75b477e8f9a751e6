package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// recordRegisters records a history of registers as a run does: 8 workers, of
// whose operations some last long. With stale set, some reads return what was
// there before.
func recordRegisters(t *testing.T, path string, n int, stale bool) {
	t.Helper()
	const workers, keys = 8, 16
	recorder, err := history.NewRecorder(path, history.Meta{Run: "disk", Nodes: []string{"n1", "n2"},
		Workloads: []history.WorkloadMeta{{Name: "register", Type: "register", Keys: keys, Workers: workers}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	buffer := recorder.Buffer()
	var holds, before [keys]int64
	for k := range keys {
		holds[k], before[k] = history.Nil, history.Nil
	}
	for i := range n {
		at, key := int64(i)*10_000, i*7%keys
		op := history.Op{Intended: at, Start: at, End: at + 5_000, Key: uint32(key), Worker: uint16(i % workers), Process: uint32(i % workers), Outcome: history.OK}
		if i%3 == 0 {
			op.Kind, op.Value = history.Write, int64(i%workers+1)<<40+int64(i)
			before[key], holds[key] = holds[key], op.Value
		} else if op.Value = holds[key]; stale && i%1001 == 1 && key < 3 {
			op.Value = before[key]
		}
		if i%1000 == 100 && op.Kind == history.Read { // a long one, recorded behind much that began later
			op.Outcome, op.Error, op.Start = history.Unknown, history.ErrTimeout, at-8*10_000+5_000
		}
		buffer.Append(&op)
	}
	for key := range keys {
		for node := range 2 {
			at := int64(n+1) * 10_000
			buffer.Append(&history.Op{Kind: history.Read, Intended: at, Start: at, End: at + 1, Key: uint32(key), Value: holds[key], Process: 99,
				Node: int8(node), Outcome: history.OK, Flags: history.FinalRead})
		}
	}
	buffer.Flush()
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkJSON is what check prints of a history, and its exit code.
func checkJSON(t *testing.T, path string, flags ...string) (verdict map[string]any, notes []string, code int) {
	t.Helper()
	check := exec.Command(binary, append([]string{"check", path, "--format", "json", "--claim", "linearizable", "--claim", "reads.stale == 0"}, flags...)...)
	out, err := check.Output()
	if err != nil && check.ProcessState == nil {
		t.Fatal(err)
	}
	var all struct{ Runs []map[string]any }
	if err := json.Unmarshal(out, &all); err != nil || len(all.Runs) != 1 {
		t.Fatalf("check printed %d runs, %v", len(all.Runs), err)
	}
	verdict = all.Runs[0]
	for _, note := range verdict["notes"].([]any) {
		notes = append(notes, note.(string))
	}
	delete(verdict, "notes")
	return verdict, notes, check.ProcessState.ExitCode()
}

// TestCheckFromDisk checks recorded histories with the real binary in memory and
// from disk: everything that is found is the same.
func TestCheckFromDisk(t *testing.T) {
	for name, c := range map[string]struct {
		stale bool
		code  int
	}{"good": {false, exitHolds}, "bad": {true, exitViolated}} {
		path := filepath.Join(t.TempDir(), history.FileName)
		recordRegisters(t, path, 300_000, c.stale)
		want, _, code := checkJSON(t, path)
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d", name, code, c.code)
		}
		got, notes, code := checkJSON(t, path, "--memory", "48MiB")
		const says = "judged by streaming from disk: the history of 300032 operations does not fit in 48 MiB"
		if code != c.code || !slices.Contains(notes, says) {
			t.Errorf("%s: exit code %d, notes %v", name, code, notes)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: from disk\n%v\nwant\n%v", name, got, want)
		}
		text, _ := exec.Command(binary, "check", path, "--memory", "48MiB").Output()
		if !strings.Contains(string(text), says) {
			t.Errorf("%s: the summary does not say how it was made:\n%s", name, text)
		}
		if least, _, code := checkJSON(t, path, "--memory", "2MiB"); code != c.code {
			t.Errorf("%s: exit code %d with little memory, %v", name, code, least["claims"])
		}
	}
}
