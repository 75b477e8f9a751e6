// Package reaper is a process that outlives the harness: whatever ends the
// harness, SIGKILL to its whole process group included, the reaper removes what
// the run has left on its host.
//
// It waits for the end of a pipe whose other end the harness alone holds; the
// kernel closes that with the harness. It is in a session of its own, so that no
// terminal and no group takes it along, and holds no descriptor of the harness's,
// so that nobody who waits for the end of the harness's output waits for it. If
// it is killed itself, the next launch or clean does its work.
package reaper

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Command is the hidden command of the aftershock binary that calls Serve.
const Command = "reap"

// How long and how often the reaper looks.
const (
	pause = 300 * time.Millisecond
	// quiet is how long nothing may have been found before it ends: what the
	// harness had asked its host for last may still be in the making.
	quiet = 5 * time.Second
	// patience bounds its life after the harness's end, whatever happens.
	patience = time.Minute
	// farewell bounds how long Done waits for a reaper that has nothing to do.
	farewell = 2 * time.Second
	maxOrder = 64 << 10 // bytes
)

// Order says what to remove when the harness has ended.
type Order struct {
	Host    string `json:"host"`    // "docker", "local"
	Launch  string `json:"launch"`  // the launch's own id
	TempDir string `json:"tempdir"` // where the run's temporary directory is made

	Env []string `json:"-"` // the reaper's environment; nil: the harness's
}

// Reaper is the harness's hold on its reaper.
type Reaper struct {
	command *exec.Cmd
	pipe    *os.File
	ended   chan struct{}
}

// Start starts `binary reap`, which is at its post when Start returns.
func Start(binary string, order Order) (*Reaper, error) {
	line, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the reaper: %w", err)
	}
	defer theirs.Close()
	// The order is in the pipe before there is anybody to read it, so that it
	// arrives even if the harness dies the moment after.
	if _, err := ours.Write(append(line, '\n')); err != nil {
		return nil, errors.Join(fmt.Errorf("start the reaper: %w", err), ours.Close())
	}
	r := &Reaper{command: exec.Command(binary, Command), pipe: ours, ended: make(chan struct{})}
	r.command.Stdin, r.command.Env = theirs, order.Env
	r.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := r.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the reaper: %w", err), ours.Close())
	}
	go func() {
		defer close(r.ended)
		_ = r.command.Wait() // so that it does not stay as a zombie
	}()
	return r, nil
}

const done = "done\n"

// Done says that nothing is left of the run, and waits for the reaper's end.
func (r *Reaper) Done() {
	_, _ = r.pipe.WriteString(done) // it may have been killed
	_ = r.pipe.Close()
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-r.ended:
	case <-timer.C:
	}
}

// Release leaves the run to the reaper, which works on after the harness's end.
func (r *Reaper) Release() { _ = r.pipe.Close() }

// Serve is what the reaper's process does: it waits on in for the harness's end
// and then removes what is left. Reap removes what it finds of an order and tells
// whether there was anything; it is called again until there has been nothing
// for a while.
func Serve(ctx context.Context, in io.Reader, reap func(context.Context, Order) (found bool, err error)) error {
	if err := closeInherited(); err != nil {
		return err
	}
	reader := bufio.NewReader(io.LimitReader(in, maxOrder))
	line, err := reader.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read what to reap: %w: the reaper is started by the harness, not by hand", err)
	}
	var order Order
	if err := json.Unmarshal(line, &order); err != nil {
		return fmt.Errorf("read what to reap: %w: the reaper is started by the harness, not by hand", err)
	}
	if word, _ := reader.ReadString('\n'); word == done {
		return nil
	}
	// Who ends everything politely ends the harness, too; its run is still to go.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return sweep(ctx, func(ctx context.Context) (bool, error) { return reap(ctx, order) }, quiet)
}

// sweep calls reap until it has found nothing for the time of quiet.
func sweep(ctx context.Context, reap func(context.Context) (bool, error), quiet time.Duration) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for last := time.Now(); ; {
		found, err := reap(ctx)
		switch {
		case found || err != nil:
			last = time.Now()
		case time.Since(last) >= quiet:
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// closeInherited closes what the harness itself got from its parent and passed
// on without knowing. This program's own descriptors close on execution and are
// told by that.
func closeInherited() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("see the open descriptors: %w", err)
	}
	for _, e := range entries {
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err != nil || fd <= 2 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
	return nil
}
