package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/wholefile"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/report"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

func reportCommand() *cobra.Command {
	var format, into string
	c := &cobra.Command{
		Use:   "report RUN…",
		Short: "Print the saved verdicts of earlier runs, or compare them",
		Long: `Print the verdicts that earlier runs saved, without checking again. RUN is a run's
directory, or a file of verdicts that --format json wrote. The formats
table and markdown compare runs: one row for each plan, where it ran several
times the worst loss and the median of the rest. A run that is named twice
counts once. The format github writes the summary of a step, appended to the file
that GITHUB_STEP_SUMMARY names where there is one, and annotations; gitlab is a
report of code quality, and junit is of tests. The exit code is 0 unless a run directory cannot be read.`,
		Example: `  aftershock report runs/latest
  aftershock report runs/* --format table
  aftershock report runs/* --into README.md`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if into != "" && c.Flags().Changed("format") && format != "markdown" {
				return fmt.Errorf("--into writes a Markdown table; leave --format %s out", format)
			}
			print, err := printer(format)
			if err != nil {
				return err
			}
			return untilInterrupted(c.Context(), func(context.Context) error {
				verdicts, err := readVerdicts(args)
				if err != nil {
					return err
				}
				if into != "" {
					return spliceInto(into, verdicts)
				}
				return print(stdout, verdicts...)
			})
		},
	}
	c.Flags().StringVar(&format, "format", "text", formatNames())
	c.Flags().StringVar(&into, "into", "", "write the Markdown table into this file, between the lines "+report.TableBegin+" and "+report.TableEnd)
	return c
}

// readVerdicts reads the saved verdicts of runs, each run once.
func readVerdicts(paths []string) ([]*results.Verdict, error) {
	var verdicts []*results.Verdict
	var seen []string
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			told, err := readReport(path)
			if err != nil {
				return nil, err
			}
			verdicts = append(verdicts, told...)
			continue
		}
		dir, err := rundir.Open(path)
		if err != nil {
			return nil, err
		}
		real, err := filepath.Abs(dir.Path())
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", path, err)
		}
		if slices.Contains(seen, real) {
			continue
		}
		seen = append(seen, real)
		v, err := dir.ReadVerdict()
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}

// readReport reads the verdicts that a command wrote with --format json.
func readReport(path string) ([]*results.Verdict, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: read the report: %w", failure.ErrInput, err)
	}
	defer f.Close()
	verdicts, err := report.ReadJSON(f)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w; name run directories, or what --format json wrote", failure.ErrInput, path, err)
	}
	return verdicts, nil
}

// spliceInto replaces the table in a Markdown file in one step.
func spliceInto(path string, verdicts []*results.Verdict) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	var table bytes.Buffer
	if err := report.Markdown(&table, verdicts...); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	text, err := report.Splice(string(old), table.String())
	if err != nil {
		return fmt.Errorf("write the table into %s: %w", path, err)
	}
	if err := wholefile.Write(path, 0o644, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}); err != nil {
		return fmt.Errorf("write the table into %s: %w", path, err)
	}
	return nil
}
