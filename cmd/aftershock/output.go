package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/report"
)

// conclude turns verdicts and failures into the command's exit code; the
// failures have been printed already.
func conclude(verdicts []*results.Verdict, failures []error) error {
	code := exitHolds
	worse := map[int]int{exitHolds: 0, exitUnknown: 1, exitViolated: 2, exitInput: 3, exitInfrastructure: 4}
	note := func(c int) {
		if worse[c] > worse[code] {
			code = c
		}
	}
	for _, v := range verdicts {
		note(v.ExitCode())
	}
	for _, err := range failures {
		note(exitCode(err))
	}
	if code == exitHolds {
		return nil
	}
	return exitError{code}
}

// formats are what --format can be, for the commands that print verdicts.
var formats = []struct {
	name  string
	write func(io.Writer, ...*results.Verdict) error
}{
	{"text", printText}, {"json", report.JSON}, {"junit", report.JUnit}, {"table", report.Comparison}, {"markdown", report.Markdown},
	{"github", printGitHub}, {"gitlab", report.GitLab},
}

// formatNames is "text, json, junit, table or markdown".
func formatNames() string {
	var names []string
	for _, f := range formats {
		names = append(names, f.name)
	}
	return orList(names)
}

// orList is "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// printer is the writer of a --format.
func printer(format string) (func(io.Writer, ...*results.Verdict) error, error) {
	for _, f := range formats {
		if f.name == format {
			return f.write, nil
		}
	}
	return nil, fmt.Errorf("unknown --format %q; use %s", format, formatNames())
}

// printHeadline writes of each verdict its first line, and where the run is.
func printHeadline(w io.Writer, verdicts ...*results.Verdict) error {
	for _, v := range verdicts {
		if err := report.Headline(w, v); err != nil {
			return err
		}
	}
	return nil
}

// printGitHub writes annotations, and appends the summary to the file that GitHub's runner
// names for it. Elsewhere it writes the summary alone.
func printGitHub(w io.Writer, verdicts ...*results.Verdict) error {
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return report.GitHub(w, verdicts...)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("%w: write the summary that GITHUB_STEP_SUMMARY names: %w", failure.ErrInfrastructure, err)
	}
	if err := errors.Join(report.GitHub(f, verdicts...), f.Close()); err != nil {
		return fmt.Errorf("%w: write the summary that GITHUB_STEP_SUMMARY names: %w", failure.ErrInfrastructure, err)
	}
	return report.GitHubAnnotations(w, verdicts...)
}

// printText writes summaries for the terminal they go to.
func printText(w io.Writer, verdicts ...*results.Verdict) error {
	options := report.TextOptions{Width: 100, Whole: true}
	if f, ok := w.(*standardOutput); ok && term.IsTerminal(int(f.file.Fd())) {
		options.Color, options.Whole = os.Getenv("NO_COLOR") == "", false
		if width, _, err := term.GetSize(int(f.file.Fd())); err == nil {
			options.Width = min(max(width, 60), 140)
		}
	}
	for _, v := range verdicts {
		if err := report.Text(w, v, options); err != nil {
			return err
		}
	}
	return nil
}

// stdout is where all commands print.
var stdout = &standardOutput{file: os.Stdout}

// standardOutput remembers the first error of writing, so that no command has
// to look at each.
type standardOutput struct {
	file *os.File // not embedded: its other ways to write would be taken
	err  error
}

func (o *standardOutput) Write(p []byte) (int, error) {
	n, err := o.file.Write(p)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// interruptPatience is how long a command that was interrupted may take to end by
// itself.
const interruptPatience = 300 * time.Millisecond

// untilInterrupted calls work, which reads and computes and has nothing to take
// back. After an interrupt it waits only for a moment: the reading of a large file,
// or of one that never comes to its end, asks no context. What is still at work
// then ends with the process.
func untilInterrupted(ctx context.Context, work func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(interruptPatience):
		return fmt.Errorf("%w: %w", failure.ErrInterrupted, context.Cause(ctx))
	}
}
