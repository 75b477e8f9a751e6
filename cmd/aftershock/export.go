package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/history/foreign"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/internal/wholefile"
	"github.com/aftershock-chaos/aftershock/results/judge"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

func exportCommand() *cobra.Command {
	var format, output, workload, of string
	c := &cobra.Command{
		Use:   "export RUN|HISTORY",
		Short: "Write a recorded history in the form of other tools",
		Long: `Write the history of a run in the form that Jepsen, Elle and Knossos read (edn), or
elle-cli (json): invocations and completions in order of time, each with its index.
What these have no word for (node, final read, fault, error class) stands in
further keys, which they pass over, and which check reads again. Or write all
operations as a table (parquet), which DuckDB, pandas and Polars read; its columns
and queries are in docs/history.md. Or write the
percentiles of one of a run's histograms (--of), of all and by tag, as a table
(percentiles-csv) or as data (percentiles-json); the histograms themselves are the
run's *.hlog, interval logs that HdrHistogram's tools read.

The file of --output is written whole or not at all. It may be there already, but
has to be a file, and none of the run's; for a pipe or a device, write to standard
output (-).`,
		Example: `  aftershock export runs/latest --format edn --output history.edn
  aftershock export runs/latest --format json --workload append | elle-cli --model list-append /dev/stdin
  aftershock export runs/latest --format parquet --output history.parquet`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			write, err := exporter(format, of, args[0], workload)
			if err != nil {
				return err
			}
			return untilInterrupted(c.Context(), func(ctx context.Context) error {
				return toFile(ctx, output, args[0], write)
			})
		},
	}
	c.Flags().StringVar(&format, "format", "edn", "edn, json, parquet, percentiles-csv or percentiles-json")
	c.Flags().StringVarP(&output, "output", "o", "", "file to write; - is standard output, as if left out")
	c.Flags().StringVar(&of, "of", "latency", "which histogram: latency, lag, staleness or versions")
	c.Flags().StringVar(&workload, "workload", "", "the workload to write (default: the only one; of parquet all)")
	return c
}

// exporter is what writes a run in a format.
func exporter(format, of, path, workload string) (func(io.Writer) error, error) {
	switch format {
	case "edn", "json":
		f := map[string]foreign.Format{"edn": foreign.EDN, "json": foreign.JSON}[format]
		return func(w io.Writer) error { return judge.Export(w, path, f, workload) }, nil
	case "parquet":
		return func(w io.Writer) error { return judge.ExportParquet(w, path, workload) }, nil
	case "percentiles-csv", "percentiles-json":
	default:
		return nil, fmt.Errorf("unknown --format %q; use edn, json, parquet, percentiles-csv or percentiles-json", format)
	}
	var names []string
	for _, h := range rundir.Histograms {
		names = append(names, h.Name)
	}
	if !slices.Contains(names, of) {
		return nil, fmt.Errorf("--of cannot be %q; %s", spelling.Short(of), spelling.DidYouMean(of, names))
	}
	return func(w io.Writer) error {
		dir, err := rundir.Open(path)
		if err != nil {
			return fmt.Errorf("%w: %w", failure.ErrInput, err)
		}
		list, err := dir.Percentiles(of)
		if err != nil {
			return fmt.Errorf("%w: %w", failure.ErrInput, err)
		}
		if format == "percentiles-csv" {
			return rundir.WritePercentilesCSV(w, of, list)
		}
		return rundir.WritePercentilesJSON(w, of, list)
	}, nil
}

// toFile writes what is made of source into the file at path, or to standard
// output if that is what path stands for.
func toFile(ctx context.Context, path, source string, write func(io.Writer) error) error {
	switch path {
	case "", "-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1":
		return write(stdout)
	}
	if err := notOf(source, path); err != nil {
		return err
	}
	err := wholefile.Write(path, 0o666&^umask(), func(w io.Writer) error { return write(untilDone{ctx, w}) })
	switch {
	case err == nil, errors.Is(err, failure.ErrInput), errors.Is(err, failure.ErrInterrupted):
		return err
	case errors.Is(err, wholefile.ErrNotRegular):
		return fmt.Errorf("%w: write the output: %w: name a file, or write to standard output with -o -", failure.ErrInput, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: write the output: %w", failure.ErrInput, err)
	}
	return fmt.Errorf("%w: write the output: %w", failure.ErrInfrastructure, err)
}

// notOf refuses an output that is a file of the source, a run directory or a
// history, by whatever name.
func notOf(source, output string) error {
	target, err := os.Stat(output)
	if err != nil {
		return nil // it is made, or cannot be
	}
	root, err := filepath.EvalSymlinks(source)
	if err != nil {
		return nil // the export tells
	}
	if info, err := os.Stat(root); err == nil && !info.IsDir() {
		root = filepath.Dir(root) // the events lie beside the history
	}
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return nil // what cannot be seen cannot be compared
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && os.SameFile(info, target) {
			return fmt.Errorf("%w: --output %s is %s, a file of the run: choose another", failure.ErrInput, output, path)
		}
		return nil
	})
}

// umask is what this process takes from the mode of new files.
func umask() fs.FileMode {
	mask := syscall.Umask(0)
	syscall.Umask(mask)
	return fs.FileMode(mask)
}

// untilDone writes until ctx ends.
type untilDone struct {
	ctx context.Context
	io.Writer
}

func (w untilDone) Write(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, fmt.Errorf("%w while the output was written", failure.ErrInterrupted)
	}
	return w.Writer.Write(p)
}
