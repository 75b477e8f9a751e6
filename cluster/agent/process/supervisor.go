package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Bounds of the supervisor.
const (
	goneTimeout  = 10 * time.Second // for killed processes to be gone
	defaultGrace = 5 * time.Second  // of Stop
	drainTimeout = 250 * time.Millisecond
	maxRunOutput = 1 << 20 // bytes that Run keeps
	outputSize   = 1 << 20 // bytes of the server's output kept
	maxExits     = 1024    // exits kept for a harness that reads late
)

var (
	errRunning  = errors.New("the server is running already: kill or stop it first")
	errNoServer = errors.New("no server was started yet: start one before it can be restarted")
	errClosing  = errors.New("the agent is shutting down")
)

// Options set up a Supervisor.
type Options struct {
	DataDir string // the node's data directory
	// PID1 says that the agent is process 1 of a PID namespace: orphans become
	// its children, and a signal to all processes stays inside of the node.
	PID1   bool
	Memory *MemoryEvents // nil: nothing tells of processes killed for want of memory
	Stdout io.Writer     // gets a copy of the server's output; nil is nowhere
	Logger *slog.Logger
}

// Supervisor runs the node's server and every other process of the node.
type Supervisor struct {
	o        Options
	children *childTable
	output   *outputRing
	exits    *exitLog
	holds    holds
	started  func(pid int) // may be nil; see OnStart

	mu         sync.Mutex     // serialises starts; guards what is below
	roots      map[string]int // processes that stand in further file systems, by their names
	spec       *cluster.ServerSpec
	server     *child // the running server; nil if none
	closing    bool
	background sync.WaitGroup // copying the output and watching the server
}

// NewSupervisor returns a supervisor without a server. Reap has to run for as
// long as it is used.
func NewSupervisor(o Options) *Supervisor {
	return &Supervisor{
		o: o, children: newChildTable(o.PID1), output: newOutputRing(outputSize), exits: newExitLog(maxExits),
	}
}

// OnStart has f called with each server's process as soon as it has begun its program,
// before Start and Restart return. It is set before the first.
func (s *Supervisor) OnStart(f func(pid int)) { s.started = f }

// Reap waits for the node's ended processes (wait4) until ctx ends. It has to
// go on until close has returned, which waits for the processes that it kills.
func (s *Supervisor) Reap(ctx context.Context) { s.children.reap(ctx) }

// Start starts the server for the first time, or anew with another spec.
func (s *Supervisor) Start(spec cluster.ServerSpec) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return errRunning
	}
	if _, err := stopSignal(spec); err != nil {
		return err
	}
	in, err := s.placeOf(spec)
	if err != nil {
		return err
	}
	if s.spec != nil && s.spec.Root != spec.Root {
		who, err := in.lookupUser(spec.User)
		if err == nil {
			err = handOver(s.o.DataDir, who)
		}
		if err != nil {
			return fmt.Errorf("give the data to the new server's user: %w", err)
		}
	}
	cmd, err := prepare(spec, s.o.DataDir, in)
	if err != nil {
		return err
	}
	if err := writeFiles(spec, s.o.DataDir, in, s.children.durable); err != nil {
		return err
	}
	if err := s.launch(cmd); err != nil {
		return err
	}
	s.spec = &spec
	return nil
}

// launch starts cmd as the server. The caller holds mu.
func (s *Supervisor) launch(cmd command) error {
	if s.closing {
		return errClosing
	}
	s.holds.begin()
	c, output, err := s.fork(cmd)
	if err != nil {
		return err
	}
	c.memory = s.o.Memory.count()
	s.server = c
	if s.started != nil {
		s.started(c.pid)
	}
	s.background.Add(2)
	go func() {
		defer s.background.Done()
		defer output.Close()
		var sink io.Writer = s.output
		if s.o.Stdout != nil {
			sink = io.MultiWriter(s.output, s.o.Stdout)
		}
		_, _ = io.Copy(sink, output) // ends when the last process that holds the pipe closes it
	}()
	go func() {
		defer s.background.Done()
		s.watch(c, output)
	}()
	return nil
}

// fork starts cmd with its output in a pipe, whose reading end it returns.
func (s *Supervisor) fork(cmd command) (*child, *os.File, error) {
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
	c, err := s.children.start(cmd)
	if err != nil {
		_ = output.Close()
		return nil, nil, err
	}
	return c, output, nil
}

// watch waits until the server has exited and records its exit.
func (s *Supervisor) watch(c *child, output *os.File) {
	<-c.done
	s.mu.Lock()
	s.server = nil
	s.mu.Unlock()
	e := cluster.Exit{At: c.at, Code: c.status.ExitStatus(), Planned: c.planned, By: c.by}
	if c.status.Signaled() {
		e.Code, e.Signal = -1, c.status.Signal().String()
		e.Memory = !c.planned && c.status.Signal() == syscall.SIGKILL && s.o.Memory.count() > c.memory
	}
	s.exits.add(e)
	s.o.Logger.Info("server exited", slog.Int("code", e.Code), slog.String("signal", e.Signal), slog.Bool("planned", e.Planned))
	close(c.recorded)
	// A daemon that outlives the server may hold the pipe open for ever.
	_ = output.SetReadDeadline(time.Now().Add(drainTimeout))
}

// claim is the running server, its exit marked as planned by an action.
func (s *Supervisor) claim(by string) *child {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		s.children.setPlanned(s.server, by)
	}
	return s.server
}

// Server is the ID of the server's process; 0: none runs.
func (s *Supervisor) Server() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return 0
	}
	return s.server.pid
}

// Expect marks the end of the running server as asked for by an action. It returns the
// server's ID, 0 if none runs, and what is closed when its exit is recorded.
func (s *Supervisor) Expect(by string) (pid int, ended <-chan struct{}) {
	c := s.claim(by)
	if c == nil {
		return 0, nil
	}
	return c.pid, c.recorded
}

// MemoryKills is how many processes of the node the kernel has killed for want of memory.
func (s *Supervisor) MemoryKills() int { return s.o.Memory.count() }

// NextExit waits for exit number seq (the first is 0), or the oldest that is
// kept after it, and returns its number too. ok is false when there will be
// none any more, or ctx ended.
func (s *Supervisor) NextExit(ctx context.Context, seq int) (e cluster.Exit, number int, ok bool) {
	return s.exits.next(ctx, seq)
}

// NextOutput waits for the server's output from position on (the first byte is
// 0), fills p and returns how many bytes, and the position after them. A reader
// whose bytes were overwritten gets a note first. ok is false when all is read
// and no more will come, or ctx ended.
func (s *Supervisor) NextOutput(ctx context.Context, position uint64, p []byte) (n int, after uint64, ok bool) {
	return s.output.next(ctx, position, p)
}

// Close kills every other process of the node and waits for the goroutines
// that served them.
func (s *Supervisor) Close() error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	_, err := s.killAll("")
	s.output.close()
	s.exits.close()
	s.background.Wait()
	return err
}
