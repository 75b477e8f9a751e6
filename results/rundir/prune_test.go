package rundir

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/results"
)

// storedRun makes a run that was begun so long ago and has this verdict; nil: none.
func storedRun(t *testing.T, root, name string, age time.Duration, v *results.Verdict) string {
	t.Helper()
	d, err := Create(root, name, 1, time.Now().Add(-age), name)
	if err != nil {
		t.Fatal(err)
	}
	if v == nil {
		if err := d.WritePlan([]byte("name: x\n")); err != nil {
			t.Fatal(err)
		}
		return d.Path()
	}
	v.Version, v.Started = results.VerdictVersion, time.Now().Add(-age)
	if err := d.WriteVerdict(v); err != nil {
		t.Fatal(err)
	}
	return d.Path()
}

// What found something, is young, among the newest, or not understood, stays.
func TestSuperfluous(t *testing.T) {
	root := t.TempDir()
	day := 24 * time.Hour
	holds := func() *results.Verdict { return &results.Verdict{Verdict: results.Holds} }
	oldest := storedRun(t, root, "oldest", 9*day, holds())
	storedRun(t, root, "violated", 8*day, &results.Verdict{Verdict: results.Violated, Claims: []results.ClaimResult{{Claim: "writes.lost == 0", Answer: results.Violated}}})
	storedRun(t, root, "finding", 7*day, &results.Verdict{Verdict: results.Holds, Findings: []results.Finding{{Class: "lost-write"}}})
	storedRun(t, root, "torn", 6*day, nil)
	old := storedRun(t, root, "old", 5*day, holds())
	storedRun(t, root, "young", day, holds())
	newest := storedRun(t, root, "newest", time.Minute, holds())
	if err := os.Mkdir(filepath.Join(root, "mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	list, err := List(root)
	if err != nil || len(list) != 7 || list[0].Path != newest || list[0].Bytes == 0 {
		t.Fatalf("%v, %+v", err, list)
	}
	for _, test := range []struct {
		keep Keep
		want []string
	}{
		{Keep{Within: 2 * day, Now: time.Now()}, []string{old, oldest}},
		{Keep{Newest: 3, Now: time.Now()}, []string{oldest}},
		{Keep{Newest: 7, Now: time.Now()}, nil},
		{Keep{Within: 10 * day, Now: time.Now()}, nil},
	} {
		got := Superfluous(list, test.keep)
		if len(got) != len(test.want) {
			t.Errorf("%+v: %+v, want %v", test.keep, got, test.want)
			continue
		}
		for i := range got {
			if got[i].Path != test.want[i] {
				t.Errorf("%+v: %s, want %s", test.keep, got[i].Path, test.want[i])
			}
		}
	}
	for _, s := range list {
		if s.Path == newest {
			if err := s.Remove(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := os.Lstat(newest); !os.IsNotExist(err) {
		t.Errorf("it is there: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(root, LatestLink)); !os.IsNotExist(err) {
		t.Errorf("the link to it is there: %v", err)
	}
}
