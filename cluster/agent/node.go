package agent

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Bounds of what the node does.
const (
	goneTimeout  = 10 * time.Second // for killed processes to be gone
	defaultGrace = 5 * time.Second  // of Stop
	drainTimeout = 250 * time.Millisecond
)

var (
	errRunning  = errors.New("the server is running already: kill or stop it first")
	errNoServer = errors.New("no server was started yet: start one before it can be restarted")
	errEnding   = errors.New("the agent is shutting down")
)

// node is what the agent supervises: the server, everything else that runs in
// the node, and its network rules.
type node struct {
	o     Options
	procs *procs
	now   func() int64
	ring  *ring
	exits *exitLog
	rules *rules

	mu     sync.Mutex // serialises starts; guards what is below
	spec   *cluster.ServerSpec
	server *child // the running server; nil if none
	over   bool
	copies sync.WaitGroup // of output, and of watching the server
}

func newNode(o Options, controlPort uint16, init bool) *node {
	base := time.Now()
	now := func() int64 { return int64(time.Since(base)) }
	return &node{
		o: o, now: now, procs: newProcs(now, init), ring: newRing(ringSize),
		exits: newExitLog(maxExits), rules: newRules(controlPort),
	}
}

// start starts the server for the first time, or anew with another spec.
func (n *node) start(spec cluster.ServerSpec) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.server != nil {
		return errRunning
	}
	if _, err := stopSignal(spec); err != nil {
		return err
	}
	cmd, err := prepare(spec, n.o.DataDir, os.Environ())
	if err != nil {
		return err
	}
	if err := writeFiles(spec, n.o.DataDir); err != nil {
		return err
	}
	if err := n.launch(cmd); err != nil {
		return err
	}
	n.spec = &spec
	return nil
}

// restart starts the last server again. Its files are as it left them. It
// reports false if the server runs.
func (n *node) restart() (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.server != nil:
		return false, nil
	case n.spec == nil:
		return false, errNoServer
	}
	cmd, err := prepare(*n.spec, n.o.DataDir, os.Environ())
	if err != nil {
		return false, err
	}
	return true, n.launch(cmd)
}

// launch runs under mu.
func (n *node) launch(cmd command) error {
	if n.over {
		return errEnding
	}
	c, output, err := n.fork(cmd)
	if err != nil {
		return err
	}
	n.server = c
	n.copies.Add(2)
	go func() {
		defer n.copies.Done()
		defer output.Close()
		var sink io.Writer = n.ring
		if n.o.Stdout != nil {
			sink = io.MultiWriter(n.ring, n.o.Stdout)
		}
		_, _ = io.Copy(sink, output) // ends with the last holder of the pipe
	}()
	go func() {
		defer n.copies.Done()
		n.watch(c, output)
	}()
	return nil
}

// fork starts cmd with its output in a pipe, whose reading end it returns.
func (n *node) fork(cmd command) (*child, *os.File, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, nil, fmt.Errorf("standard input of the server: %w", err)
	}
	defer null.Close()
	output, input, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("pipe for the server's output: %w", err)
	}
	defer input.Close()
	cmd.files = [3]uintptr{null.Fd(), input.Fd(), input.Fd()}
	c, err := n.procs.start(cmd)
	if err != nil {
		_ = output.Close()
		return nil, nil, err
	}
	return c, output, nil
}

// watch waits for the server's end and tells the harness of it.
func (n *node) watch(c *child, output *os.File) {
	<-c.done
	n.mu.Lock()
	n.server = nil
	n.mu.Unlock()
	e := exitReply{At: c.at, Code: c.status.ExitStatus(), Planned: c.planned}
	if c.status.Signaled() {
		e.Code, e.Signal = -1, c.status.Signal().String()
	}
	n.exits.add(e)
	n.o.Logger.Info("server exited", slog.Int("code", e.Code), slog.String("signal", e.Signal), slog.Bool("planned", e.Planned))
	close(c.told)
	// A daemon that outlives the server may hold the pipe open for ever.
	_ = output.SetReadDeadline(time.Now().Add(drainTimeout))
}

// current is the running server, marked as meant to end if planned is set.
func (n *node) current(planned bool) *child {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.server != nil && planned {
		n.procs.setPlanned(n.server)
	}
	return n.server
}

// settled waits until watch has written c's end down, so that a restart after
// a kill finds no server.
func settled(c *child) {
	if c != nil {
		<-c.told
	}
}

// kill ends every other process of the node. It took effect when SIGKILL was
// sent: no process runs an instruction of its own after that, though one in the
// middle of a sync may take the disk's time to go. It is reported when the last
// of them is gone.
func (n *node) kill() (actionReply, error) {
	server := n.current(true)
	some, err := n.procs.signalAll(syscall.SIGKILL)
	effect := actionReply{At: n.now(), Changed: some}
	if err != nil || !some {
		return effect, err
	}
	if !n.procs.gone(goneTimeout) {
		return actionReply{}, fmt.Errorf("processes still there %s after SIGKILL: they wait for a disk or a network file system", goneTimeout)
	}
	settled(server)
	return effect, nil
}

// stop asks the server to end, and kills it and what it left after grace. It
// took effect when the signal was sent.
func (n *node) stop(grace time.Duration) (actionReply, error) {
	if grace <= 0 {
		grace = defaultGrace
	}
	server := n.current(true)
	if server == nil {
		return actionReply{At: n.now()}, nil
	}
	n.mu.Lock()
	sig, err := stopSignal(*n.spec)
	n.mu.Unlock()
	if err != nil {
		return actionReply{}, err
	}
	some, err := n.procs.signalOne(server, sig)
	effect := actionReply{At: n.now(), Changed: some}
	if err != nil || !some {
		return effect, err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-server.done:
		settled(server)
		return effect, nil
	case <-timer.C:
	}
	if n.current(true) != server {
		return effect, nil // it ended just now, and may have been restarted
	}
	_, err = n.kill()
	return effect, err
}

func stopSignal(spec cluster.ServerSpec) (syscall.Signal, error) {
	if spec.StopSignal == "" {
		return syscall.SIGTERM, nil
	}
	sig := unix.SignalNum(spec.StopSignal)
	if sig == 0 {
		return 0, fmt.Errorf("unknown stop signal %q: give a name such as SIGTERM", spec.StopSignal)
	}
	return sig, nil
}

// close kills everything and waits for the agent's own goroutines.
func (n *node) close() error {
	n.mu.Lock()
	n.over = true
	n.mu.Unlock()
	_, err := n.kill()
	n.ring.close()
	n.exits.close()
	n.copies.Wait()
	return errors.Join(err, n.rules.close())
}
