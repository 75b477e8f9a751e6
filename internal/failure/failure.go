// Package failure holds the errors by which a caller tells whose matter a failure
// is: the input's, the machine's, or an interruption.
package failure

import (
	"errors"
	"fmt"
	"syscall"
)

// OutOfSpace adds the remedy to an error of a full disk.
func OutOfSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w; free space there, or choose another folder for runs (--out)", err)
	}
	return err
}

// Infrastructure wraps an error of a launch step.
func Infrastructure(step string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrInput) || errors.Is(err, ErrInfrastructure) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrInfrastructure, step, err)
}

// ErrInput is wrapped by errors that the caller can mend by changing the plan,
// a flag or a file. The command line exits with 3 for it.
var ErrInput = errors.New("wrong input")

// ErrInfrastructure is wrapped by errors of the machine, the engine or the
// launch of the target. The command line exits with 4 for it.
var ErrInfrastructure = errors.New("infrastructure failed")

// ErrInterrupted is wrapped by Run's error when its context ended before the
// plan did. The Result is there all the same, with what was recorded so far.
var ErrInterrupted = errors.New("interrupted")
