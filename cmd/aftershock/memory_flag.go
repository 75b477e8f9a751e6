package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/results/judge"
)

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
