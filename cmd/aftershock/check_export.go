package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/history/foreign"
)

func exportCommand() *cobra.Command {
	var format, output, workload string
	c := &cobra.Command{
		Use:   "export RUN|HISTORY",
		Short: "Write a recorded history in the form of other tools",
		Long: `Write the history of a run in the form that Jepsen, Elle and Knossos read (edn), or
elle-cli (json): invocations and completions in order of time, each with its index.
What these have no word for (node, final read, fault, error class) stands in
further keys, which they pass over, and which check reads again.`,
		Example: `  aftershock export runs/latest --format edn --output history.edn
  aftershock export runs/latest --format json --workload append | elle-cli --model list-append /dev/stdin`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, ok := map[string]foreign.Format{"edn": foreign.EDN, "json": foreign.JSON}[format]
			if !ok {
				return fmt.Errorf("unknown --format %q; use edn or json", format)
			}
			return toFile(output, func(w io.Writer) error { return aftershock.Export(w, args[0], f, workload) })
		},
	}
	c.Flags().StringVar(&format, "format", "edn", "edn or json")
	c.Flags().StringVarP(&output, "output", "o", "", "file to write (default: standard output)")
	c.Flags().StringVar(&workload, "workload", "", "the workload to write (default: the only one)")
	return c
}

// toFile writes a file, or standard output if path is empty. It leaves no part
// of a file behind.
func toFile(path string, write func(io.Writer) error) error {
	if path == "" {
		return write(os.Stdout)
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create the output: %w", err)
	}
	err = errors.Join(write(file), file.Close())
	if err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
