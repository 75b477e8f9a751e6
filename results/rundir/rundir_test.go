package rundir

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

func TestCreateNeverReuses(t *testing.T) {
	root := filepath.Join(t.TempDir(), "runs")
	seen := map[string]bool{}
	for range 3 {
		d, err := Create(root, "quick/start ../x", 7, resultstest.Start, "K3F9QZABCDEFGHIJKLMNOPQRST")
		if err != nil {
			t.Fatal(err)
		}
		if seen[d.Path()] {
			t.Fatalf("%s was given twice", d.Path())
		}
		seen[d.Path()] = true
		if filepath.Dir(d.Path()) != root || !strings.HasPrefix(d.Name(), "20260314T150926-quick-start") || !strings.Contains(d.Name(), "-7-k3f9qzab") {
			t.Errorf("the directory is %s", d.Path())
		}
		latest, err := os.Readlink(filepath.Join(root, LatestLink))
		if err != nil || latest != d.Name() {
			t.Errorf("latest is %q, %v; want %q", latest, err, d.Name())
		}
	}
}

// Runs of one plan and seed that start in one second have names of their own in
// every folder: a host has one set of names for all folders.
func TestRunsOfOneSecondHaveNamesOfTheirOwn(t *testing.T) {
	one, err := Create(t.TempDir(), "p", 7, resultstest.Start, rand.Text())
	if err != nil {
		t.Fatal(err)
	}
	other, err := Create(t.TempDir(), "p", 7, resultstest.Start, rand.Text())
	if err != nil {
		t.Fatal(err)
	}
	if one.Name() == other.Name() {
		t.Errorf("both are called %s", one.Name())
	}
}

func TestCreateLeavesNothingBehind(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, LatestLink, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(root, "p", 1, resultstest.Start, "K3F9QZABCDEFGHIJKLMNOPQRST"); err == nil || !strings.Contains(err.Error(), filepath.Join(root, LatestLink)) {
		t.Errorf("got %v, want an error that names the path", err)
	}
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestCreateWhereItCannot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(file, "p", 1, resultstest.Start, "K3F9QZABCDEFGHIJKLMNOPQRST"); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error that names the path", err)
	}
}

func TestOpen(t *testing.T) {
	root := t.TempDir()
	d, err := Create(root, "p", 1, resultstest.Start, "K3F9QZABCDEFGHIJKLMNOPQRST")
	if err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(root, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.WritePlan([]byte("name: p\n")); err != nil {
		t.Fatal(err)
	}
	for path, say := range map[string]string{
		filepath.Join(root, "missing"): "does not exist",
		empty:                          "holds neither",
		root:                           "holds neither",
		d.File(PlanFile):               "is a file",
	} {
		if _, err := Open(path); !errors.Is(err, ErrRunDir) || !strings.Contains(err.Error(), say) || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%s): %v; want ErrRunDir, %q and the path", path, err, say)
		}
	}
	got, err := Open(filepath.Join(root, LatestLink))
	if err != nil || got.Name() != d.Name() {
		t.Errorf("latest opens %v, %v", got, err)
	}
	if err := os.Remove(d.File(PlanFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.File(history.FileName), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(d.Path()); err != nil {
		t.Errorf("a history alone is enough: %v", err)
	}
}

func TestVerdictSurvives(t *testing.T) {
	d, err := Create(t.TempDir(), "p", 1, resultstest.Start, "K3F9QZABCDEFGHIJKLMNOPQRST")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadVerdict(); !errors.Is(err, ErrRunDir) || !strings.Contains(err.Error(), "aftershock check") {
		t.Errorf("without a verdict: %v", err)
	}
	log := resultstest.Log()
	v := results.Judge(results.Input{Log: log, Measured: results.MeasureFound(log, resultstest.Found()), Started: resultstest.Start})
	if err := d.WriteVerdict(v); err != nil {
		t.Fatal(err)
	}
	got, err := d.ReadVerdict()
	if err != nil {
		t.Fatal(err)
	}
	if got.Verdict != v.Verdict || len(got.Values) != len(v.Values) || !got.Started.Equal(v.Started) || *got.Findings[0].Evidence[0].Value != 4711 {
		t.Errorf("read back %+v", got)
	}
	v.Version++
	if err := d.WriteVerdict(v); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadVerdict(); !errors.Is(err, ErrRunDir) || !strings.Contains(err.Error(), "version") {
		t.Errorf("another version: %v", err)
	}
	if err := os.WriteFile(d.File(VerdictFile), []byte(`{"version": 1, "verd`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadVerdict(); !errors.Is(err, ErrRunDir) {
		t.Errorf("a torn verdict: %v", err)
	}
}

func TestWriteIsAllOrNothing(t *testing.T) {
	d, err := Create(t.TempDir(), "p", 1, resultstest.Start, "K3F9QZABCDEFGHIJKLMNOPQRST")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WritePlan([]byte("old")); err != nil {
		t.Fatal(err)
	}
	err = d.Write(PlanFile, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half"); err != nil {
			return err
		}
		return syscall.ENOSPC
	})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), d.File(PlanFile)) || !strings.Contains(err.Error(), "free space") {
		t.Errorf("got %v, want the cause, the path and the remedy", err)
	}
	if text, err := os.ReadFile(d.File(PlanFile)); err != nil || string(text) != "old" {
		t.Errorf("the plan is %q, %v", text, err)
	}
	entries, err := os.ReadDir(d.Path())
	if err != nil || len(entries) != 3 { // format, nodes, plan.yaml
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if info, err := os.Stat(d.File(PlanFile)); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
}

func TestNodeDirStaysInside(t *testing.T) {
	d, err := Create(t.TempDir(), "p", 1, resultstest.Start, "K3F9QZABCDEFGHIJKLMNOPQRST")
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"n1", "../../etc", "..", ""} {
		path, err := d.NodeDir(node)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Dir(path) != d.File(NodesDir) {
			t.Errorf("the folder of %q is %s", node, path)
		}
	}
}

func TestWriteHistograms(t *testing.T) {
	d, err := Create(t.TempDir(), "p", 1, resultstest.Start, "K3F9QZABCDEFGHIJKLMNOPQRST")
	if err != nil {
		t.Fatal(err)
	}
	log := resultstest.Log()
	if err := d.WriteHistograms(log, results.Measure(t.Context(), log, checkers.Limits{}, 1<<30), resultstest.Start); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(d.File(LatencyFile))
	if err != nil {
		t.Fatal(err)
	}
	if counts, _ := readHlog(t, text); counts["write/before/n2"] == 0 {
		t.Errorf("the log holds %v", counts)
	}
	for _, name := range []string{LagFile, StalenessFile, VersionsFile} {
		if _, err := os.Stat(d.File(name)); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{LagFile, StalenessFile, VersionsFile} {
		if err := os.Remove(d.File(name)); err != nil {
			t.Fatal(err)
		}
	}
	log.Meta.Workloads = log.Meta.Workloads[:1]
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.WriteHistograms(log, results.Measure(interrupted, log, checkers.Limits{}, 1<<30), resultstest.Start); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(d.File(StalenessFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a run whose registers were not checked has a log of staleness: %v", err)
	}
	if _, err := os.Stat(d.File(LagFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a run without markers has a log of lag: %v", err)
	}
}
