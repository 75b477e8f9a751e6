package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/cmd/aftershock/live"
	"github.com/aftershock-chaos/aftershock/history/foreign"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/judge"
)

func checkCommand() *cobra.Command {
	var format string
	var options judge.Options
	var explain bool
	var memory memoryFlag
	c := &cobra.Command{
		Use:   "check RUN|HISTORY…",
		Short: "Judge the recorded history of earlier runs again",
		Long: `Read the history of each run directory (or a bare history file), run every
checker, and judge the plan's claims, or those given with --claim. A run whose
harness died is judged by what it wrote until then.

Histories that other tools recorded are read too: Jepsen's and Maelstrom's EDN
and text, the JSON of elle-cli, the key-value form of porcupine's tests. What
they are about is inferred, or said with --model. They may be compressed with
gzip or zstd, and - is the standard input.


` + foreign.Help() + `
Without --claim, what the model promises is claimed.

A recorded run that does not fit into memory is judged from disk: registers are
decided all the same, and what is violated is analysed as far as it fits; what
else needs the whole history at once is unknown.

Exit codes are those of run.`,
		Example: `  aftershock check runs/latest
  aftershock check runs/latest --claim 'writes.lost == 0' --claim 'lag.p99 < 50ms'
  aftershock check store/latest/history.edn --explain`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			options.Memory = uint64(memory)
			return untilInterrupted(c.Context(), func(ctx context.Context) error {
				return checkAll(ctx, args, options, format, explain)
			})
		},
	}
	c.Flags().StringArrayVar(&options.Claims, "claim", nil, "judge this claim in place of the plan's (repeatable)")
	c.Flags().BoolVar(&options.Write, "write", false, "write verdict.json and report.html into the run directory")
	c.Flags().StringVar(&options.Model, "model", "", "what a history from elsewhere is about; see above (default: inferred)")
	c.Flags().StringVar(&options.Initial, "initial", "", "what the registers of a history from elsewhere hold at first, as it writes values, e.g. 0 (default: nil)")
	memory.register(c)
	c.Flags().BoolVar(&explain, "explain", false, "tell of each violation in words, with its operations; draw those of registers next to the history")
	c.Flags().StringVar(&format, "format", "text", formatNames())
	return c
}

// checkAll judges each path and prints the verdicts, and what explains them if
// asked for, behind machine output on standard error.
func checkAll(ctx context.Context, paths []string, options judge.Options, format string, explain bool) error {
	print, err := printer(format)
	if err != nil {
		return err
	}
	var verdicts []*results.Verdict
	var failures []error
	var explanation bytes.Buffer
	if explain {
		options.Explain = &explanation
	}
	for _, path := range paths {
		watched, over := live.Judging(ctx, os.Stderr, path)
		result, err := judge.Check(watched, path, options)
		over()
		if err != nil {
			fmt.Fprintln(os.Stderr, "aftershock:", err)
			failures = append(failures, err)
		}
		if result != nil {
			verdicts = append(verdicts, result.Verdict)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err := print(stdout, verdicts...); err != nil {
		return fmt.Errorf("print the verdicts: %w", err)
	}
	var out io.Writer = stdout
	if format != "text" {
		out = os.Stderr
	}
	if _, err := explanation.WriteTo(out); err != nil {
		return fmt.Errorf("print the explanation: %w", err)
	}
	return conclude(verdicts, failures)
}

// memoryFlag is the flag --memory, in bytes; 0 is the default.
type memoryFlag uint64

func (m *memoryFlag) register(c *cobra.Command) {
	c.Flags().Var(m, "memory", "judge in so much memory, e.g. 2GiB; a longer history is judged from disk (default: 3/4 of what is available)")
}

func (m *memoryFlag) String() string { return strconv.FormatUint(uint64(*m), 10) }

func (m *memoryFlag) Type() string { return "size" }

func (m *memoryFlag) Set(text string) error {
	n, err := judge.ParseMemory(text)
	*m = memoryFlag(n)
	return err
}
