package foreign

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/history/foreign/foreigntest"

	"github.com/anishathalye/porcupine"
)

// porcupineData is the folder of porcupine's test histories, which come with
// its module.
func porcupineData(t testing.TB) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/anishathalye/porcupine").Output()
	if err != nil {
		t.Skipf("where is porcupine: %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "test_data")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("porcupine's test data: %v", err)
	}
	return dir
}

// TestPorcupineKV reads the histories of a key-value store that porcupine is
// tested with; their names tell whether they are linearizable.
func TestPorcupineKV(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(porcupineData(t), "kv", "*.txt"))
	for _, file := range files {
		if strings.HasPrefix(filepath.Base(file), "c50") && os.Getenv("AFTERSHOCK_LONG") == "" {
			continue // many values twice: takes up to searchTime
		}
		i := load(t, file, "")
		if i.Model != "kv" || i.Format != EDN {
			t.Errorf("%s: model %s, format %s", file, i.Model, i.Format)
		}
		want := 1.0
		if strings.HasSuffix(file, "-bad.txt") {
			want = 0
		}
		got := foreigntest.Facts(t, i.Log)["linearizable"]
		if i.Log.Torn && want == 1 && !got.Known {
			continue // a key's operations could not be ordered in time
		}
		if !got.Known || got.N != want {
			t.Errorf("%s: linearizable = %+v, want %v", file, got, want)
		}
	}
}

// TestPorcupineJepsen reads logs of Jepsen's test of etcd, and compares with
// what porcupine finds of the same operations. Porcupine is told of failed
// compare-and-sets that they found something else; our checkers draw no such
// conclusion, so that they may find less, and never more.
func TestPorcupineJepsen(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(porcupineData(t), "jepsen", "*.log"))
	violated := 0
	for n, file := range files {
		if info, err := os.Stat(file); err != nil || info.Size() == 0 || n%4 != 0 && os.Getenv("AFTERSHOCK_LONG") == "" {
			continue
		}
		i := load(t, file, "")
		ours := foreigntest.Facts(t, i.Log)["linearizable"]
		strict, lenient := foreigntest.Search(i.Log, true), foreigntest.Search(i.Log, false)
		if !ours.Known || (ours.N == 1) != (lenient == porcupine.Ok) {
			t.Errorf("%s: linearizable = %+v, porcupine says %s", filepath.Base(file), ours, lenient)
		}
		if ours.N == 0 && strict == porcupine.Ok {
			t.Errorf("%s: a violation that is none", filepath.Base(file))
		}
		if ours.N == 0 {
			violated++
		}
	}
	t.Logf("%d logs, %d violated", len(files), violated)
}
