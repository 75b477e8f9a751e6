package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aftershock-chaos/aftershock/internal/failure"
)

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
