package judge_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/file"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results/judge"
)

// TestExportParquet: runs of every format become a table, whole or one workload.
func TestExportParquet(t *testing.T) {
	for _, run := range storedRuns {
		log, err := history.Load(run.path)
		if err != nil {
			t.Fatal(err)
		}
		of := map[string]int{"": len(log.Ops)}
		for i := range log.Ops {
			of[log.Meta.Workloads[log.Ops[i].Workload].Name]++
		}
		for workload, want := range of {
			var out bytes.Buffer
			if err := judge.ExportParquet(&out, run.path, workload); err != nil {
				t.Fatal(err)
			}
			in, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
			if err != nil || in.NumRows() != int64(want) || want == 0 {
				t.Errorf("%s of workload %q: %v, %d rows, want %d", run.path, workload, err, in.NumRows(), want)
			}
		}
	}
	for path, say := range map[string]string{storedRuns[0].path: "no workload", filepath.Join(t.TempDir(), "none"): "no such file", "export_test.go": "not a readable history"} {
		err := judge.ExportParquet(io.Discard, path, "regsiter")
		if !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
