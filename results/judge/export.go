package judge

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/foreign"
	"github.com/aftershock-chaos/aftershock/history/foreign/export"
	"github.com/aftershock-chaos/aftershock/history/parquet"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// Export writes one workload of a run directory's history, or of a bare history
// file, in the form of other tools; see export.Write. Errors wrap ErrInput.
func Export(w io.Writer, path string, format foreign.Format, workload string) error {
	if err := knownFormat(path); err != nil {
		return err
	}
	log, err := history.Load(path)
	if err != nil {
		return fmt.Errorf("%w: %w", failure.ErrInput, err)
	}
	if err := export.Write(w, log, format, workload); err != nil {
		return fmt.Errorf("%w: export %s: %w", failure.ErrInput, path, err)
	}
	return nil
}

// ExportParquet writes a history, or one workload of it, as Parquet, in memory
// that does not grow with it; see parquet.Write.
func ExportParquet(w io.Writer, path, workload string) error {
	if err := knownFormat(path); err != nil {
		return err
	}
	log, err := history.Open(path, func(history.Meta, history.Size) bool { return false })
	if err != nil {
		return fmt.Errorf("%w: %w", failure.ErrInput, err)
	}
	var names []string
	for _, w := range log.Meta.Workloads {
		names = append(names, w.Name)
	}
	if workload != "" && !slices.Contains(names, workload) {
		return fmt.Errorf("%w: export %s: there is no workload %q; %s", failure.ErrInput, path, spelling.Short(workload), spelling.DidYouMean(workload, names))
	}
	return parquet.Write(w, log, func(op *history.Op) bool { return workload == "" || names[op.Workload] == workload })
}

// knownFormat refuses a run directory of a newer format.
func knownFormat(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if _, err := rundir.Open(path); err != nil {
			return fmt.Errorf("%w: %w", failure.ErrInput, err)
		}
	}
	return nil
}
