package mariadb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// restartAfter is the pause before an aborted server is started again.
	restartAfter = time.Second
	// restartsMost bounds how often that is done.
	restartsMost = 100
)

// supervise runs a server, and starts it again when it has aborted itself, as
// the unit file of MariaDB's package has systemd do (Restart=on-abnormal): a
// Galera node whose donor dies while it copies gives up in this way, and is
// expected to come back. A server that was killed is not started again: that is
// the plan's to do. argv makes the program and its arguments, anew for every start.
// It returns when the server ended otherwise, or when ctx ended and the server
// has obeyed the SIGTERM that it is then sent.
func supervise(ctx context.Context, argv func() ([]string, error)) error {
	for range restartsMost {
		args, err := argv()
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		err = cmd.Run()
		switch {
		case ctx.Err() != nil:
			return nil // it was to stop, however it did
		case err == nil:
			return nil
		case !aborted(err):
			return fmt.Errorf("the server ended: %w", err)
		}
		fmt.Fprintf(os.Stderr, "the server aborted; starting it again in %v\n", restartAfter)
		select {
		case <-time.After(restartAfter):
		case <-ctx.Done():
			return nil
		}
	}
	return fmt.Errorf("the server aborted %d times: its log says why", restartsMost)
}

// aborted tells whether a process ended by SIGABRT.
func aborted(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGABRT
}
