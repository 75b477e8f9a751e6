package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/results"
)

func reportCommand() *cobra.Command {
	var format, into string
	c := &cobra.Command{
		Use:   "report RUN…",
		Short: "Print the saved verdicts of earlier runs, or compare them",
		Long: `Print the verdicts that earlier runs saved, without checking again. The formats
table and markdown compare runs: one row for each plan, where it ran several
times the worst loss and the median of the rest. A run that is named twice
counts once. The exit code is 0 unless a run directory cannot be read.`,
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
			verdicts, err := readVerdicts(args)
			if err != nil {
				return err
			}
			if into != "" {
				return spliceInto(into, verdicts)
			}
			return print(os.Stdout, verdicts...)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text, json, junit, table or markdown")
	c.Flags().StringVar(&into, "into", "", "write the Markdown table into this file, between the lines "+results.TableBegin+" and "+results.TableEnd)
	return c
}

// readVerdicts reads the saved verdicts of runs, each run once.
func readVerdicts(paths []string) ([]*results.Verdict, error) {
	var verdicts []*results.Verdict
	var seen []string
	for _, path := range paths {
		dir, err := results.Open(path)
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

// spliceInto replaces the table in a Markdown file in one step.
func spliceInto(path string, verdicts []*results.Verdict) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	var table bytes.Buffer
	if err := results.Markdown(&table, verdicts...); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	text, err := results.Splice(string(old), table.String())
	if err != nil {
		return fmt.Errorf("write the table into %s: %w", path, err)
	}
	if err := replaceFile(path, text, info.Mode().Perm()); err != nil {
		return fmt.Errorf("write the table into %s: %w", path, err)
	}
	return nil
}

// replaceFile writes a file anew in one step: a reader sees the old contents or
// all of the new.
func replaceFile(path, text string, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
