// Package interrupt tells a command that it is to end: by Ctrl-C, SIGTERM, or
// SIGHUP, which is what a terminal sends when it is closed. Nothing here imports
// another package of ours, so that it is initialised before nearly all of the
// program, and a signal of the process's first moments is caught as well.
package interrupt

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// caught has room for all signals that can come before Context is called.
var caught = subscribe()

// subscribe begins to catch signals. A program that was started with SIGHUP
// ignored (nohup) goes on ignoring it.
func subscribe() chan os.Signal {
	c := make(chan os.Signal, 16)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(c, syscall.SIGHUP)
	}
	return c
}

// Context is a copy of parent that ends with the first signal; the signal is its
// cause. The second SIGINT or SIGTERM ends the process at once. SIGHUP never
// does: a closed terminal and its shell send it one after the other. Process 1 of
// a PID namespace is never ended at once: it is asked again and again, as the
// kernel keeps from it the signals of its first moments.
//
// To be called once, from main.
func Context(parent context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	asked := false
	take := func(s os.Signal) {
		cancel(signalError{s})
		if s == syscall.SIGHUP || os.Getpid() == 1 {
			return
		}
		signal.Reset(syscall.SIGINT, syscall.SIGTERM)
		if asked {
			_ = syscall.Kill(os.Getpid(), s.(syscall.Signal))
		}
		asked = true
	}
	// One that is there already has to be known to the caller's first look.
	for len(caught) > 0 {
		take(<-caught)
	}
	go func() {
		for s := range caught {
			take(s)
		}
	}()
	return ctx
}

// signalError is why the context ended.
type signalError struct{ os.Signal }

func (e signalError) Error() string { return "signal: " + e.Signal.String() }

// BrokenPipes makes writes to a pipe that nobody reads an error (EPIPE), also on
// standard output and standard error, where Go's runtime would end the process:
// a run has nodes to remove first.
func BrokenPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
