package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/clock"
	"github.com/aftershock-chaos/aftershock/cluster/agent/link"
	"github.com/aftershock-chaos/aftershock/cluster/agent/network"
	"github.com/aftershock-chaos/aftershock/cluster/agent/press"
	"github.com/aftershock-chaos/aftershock/cluster/agent/process"
	"github.com/aftershock-chaos/aftershock/cluster/agent/service"
	"github.com/aftershock-chaos/aftershock/cluster/agent/usage"
	"github.com/aftershock-chaos/aftershock/cluster/agent/victim"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume"
)

// Serve runs the agent until the harness closes it, ctx ends (both return
// nil), or the lease expires (ErrLeaseExpired). It kills everything that it
// started before it returns; as PID 1, everything in the node.
func Serve(ctx context.Context, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	if o.Processes > 0 {
		if err := process.LimitProcesses(o.Processes); err != nil {
			return fmt.Errorf("agent: %w", err)
		}
	}
	o.memory = process.OpenMemoryEvents(o.MemoryEvents) // the node's own root has no such file
	if o.Root != nil {
		if err := o.Root.Enter(); err != nil {
			return fmt.Errorf("agent: %w", err)
		}
	}
	if _, err := o.Secret.server(); err != nil {
		return err
	}
	if o.Volume != nil {
		if o.disk, err = volume.Start(o.DataDir, *o.Volume); err != nil {
			return fmt.Errorf("agent: put the data directory on a volume: %w", err)
		}
		defer o.disk.Close()
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("agent: open the control channel: %w: is another agent or server on this port of the node?", err)
	}
	return serve(ctx, o, listener, os.Getpid() == 1)
}

// server is the agent's side of the control channel.
type server struct {
	o            Options
	clock        monotonicClock
	processes    *process.Supervisor // of the server; nil in a guest
	victim       *victim.Processes   // of somebody else's server; nil where there is none in reach
	service      *service.Service    // the server of somebody else's machine; nil elsewhere
	firewall     *network.Firewall
	links        *link.Shaper
	clocks       *clock.Clocks // of the server's processes; nil in a guest
	presses      *press.Press  // likewise
	actions      map[cluster.ActionKind]action
	control      *usage.Meter // what goes over the control channel
	meter        *usage.Reader
	lastRequest  atomic.Int64 // the clock at the last authenticated request
	inFlight     chan struct{}
	shutdown     chan struct{} // closed when the harness asks for the agent's end
	shutdownOnce sync.Once
	othersMu     sync.Mutex
	foundOthers  bool // the file systems of Options.Others
	tunnels      sync.WaitGroup
	running      context.Context // ends with the agent
}

func newServer(running context.Context, o Options, controlPort uint16, pid1 bool) *server {
	s := &server{
		o: o, clock: newMonotonicClock(),
		inFlight: make(chan struct{}, maxInFlight), shutdown: make(chan struct{}), running: running,
	}
	s.firewall = network.NewFirewall(controlPort, o.Lease, s.heard)
	s.links = link.New(s.firewall)
	s.control = &usage.Meter{}
	if o.Guest == NoGuest {
		s.processes = process.NewSupervisor(process.Options{DataDir: o.DataDir, PID1: pid1, Memory: o.memory, Stdout: o.Stdout, Logger: o.Logger})
		s.clocks = clock.New(s.processes, o.Logger)
		s.presses = press.New(s.processes, press.Options{Memory: o.MemoryLimit, Logger: o.Logger})
		s.processes.OnStart(s.clocks.Started)
		s.actions = actionsOf(rooms{processes: s.processes, firewall: s.firewall, links: s.links, clocks: s.clocks, presses: s.presses, disk: o.disk})
		s.meter = usage.NewReader(s.control)
		if o.disk != nil {
			s.processes.Spare(o.disk.PID())
			s.meter.Spare(o.disk.PID())
		}
		return s
	}
	if o.Guest == GuestOfBoth {
		s.victim = victim.New()
		s.meter = usage.NewGuestReader(s.control)
	}
	s.actions = guestActions(s.victim, s.firewall, s.links)
	if o.Guest == GuestOfHost {
		s.service = service.New(o.server, o.down)
		s.hostActions(s.actions)
	}
	return s
}

// serve runs the agent on listener; pid1 says whether it is PID 1 of its node.
func serve(ctx context.Context, o Options, listener net.Listener, pid1 bool) error {
	port := o.controlPort
	if at, ok := listener.Addr().(*net.TCPAddr); ok && port == 0 {
		port = uint16(at.Port)
	}
	secure, err := o.Secret.server()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	group, running := errgroup.WithContext(ctx)
	s := newServer(running, o, port, pid1)
	if o.Guest != NoGuest {
		s.clearRules()
	}
	web := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return running },
	}
	stopReaping := s.reap(ctx)
	group.Go(func() error {
		if err := web.Serve(tls.NewListener(s.control.Listener(listener), secure)); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("agent: control channel: %w", err)
		}
		return nil
	})
	group.Go(func() error { return s.waitForEnd(running) })
	group.Go(func() error { s.renewRules(running); return nil })
	if s.service != nil {
		group.Go(func() error { s.service.Watch(running); return nil })
	}
	group.Go(func() error {
		<-running.Done()
		err := s.letGo()
		_ = web.Close() // what it still serves ends with the agent
		return err
	})
	err = group.Wait()
	s.tunnels.Wait()
	stopReaping()
	if errors.Is(err, errEnd) {
		return nil
	}
	return err
}

// clearRules removes what a guest before this one has left, which was killed: the
// network is not the agent's own, and outlives it.
func (s *server) clearRules() {
	if err := s.firewall.Clear(); err != nil {
		s.o.Logger.Info("no network rules from here", slog.Any("error", err)) // who asks for some is told why
	}
}

// reap waits for the node's ended processes until the function that it returns is
// called: when all else has ended, for letGo waits for what it kills. A guest has
// no processes of its own, and must not wait for those that it traces.
func (s *server) reap(ctx context.Context) (stop func()) {
	if s.processes == nil {
		return func() {}
	}
	reaping, cancel := context.WithCancel(context.WithoutCancel(ctx))
	reaped := make(chan struct{})
	go func() {
		defer close(reaped)
		s.processes.Reap(reaping)
	}()
	return func() { cancel(); <-reaped }
}

// letGo ends what the agent started, and what it holds.
func (s *server) letGo() error {
	var err error
	if s.processes != nil {
		err = errors.Join(s.processes.Close(), s.clocks.Close(), s.presses.Close())
	}
	if s.victim != nil {
		s.victim.Close()
	}
	err = errors.Join(err, s.links.Close(), s.firewall.Close())
	if s.service != nil { // last: a server takes its time to start
		err = errors.Join(err, s.service.Close())
	}
	return err
}

// heard is when the harness was last heard of, or the agent started.
func (s *server) heard() time.Time {
	return s.clock.start.Add(time.Duration(s.lastRequest.Load()))
}

// renewRules keeps the network rules in force for as long as the harness is heard
// of.
func (s *server) renewRules(ctx context.Context) {
	ticker := time.NewTicker(s.firewall.RenewEvery())
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := s.firewall.Renew(); err != nil {
				s.o.Logger.Warn("the network rules cannot be renewed", slog.Any("error", err))
			}
		case <-ctx.Done():
			return
		}
	}
}

// errEnd ends the agent's goroutines when it is to end without an error.
var errEnd = errors.New("agent ended")

// waitForEnd returns when the harness asks for the agent's end, ctx ends, or the
// lease expires.
func (s *server) waitForEnd(ctx context.Context) error {
	timer := time.NewTimer(s.o.Lease)
	defer timer.Stop()
	for {
		select {
		case <-s.shutdown:
			return errEnd
		case <-ctx.Done():
			return errEnd
		case <-timer.C:
		}
		left := time.Duration(s.lastRequest.Load()-s.clock.now()) + s.o.Lease
		if left <= 0 {
			s.o.Logger.Warn("harness not heard of, ending", slog.Duration("lease", s.o.Lease), slog.Int("pid", os.Getpid()))
			return fmt.Errorf("agent: %w: no request of the harness for %s", ErrLeaseExpired, s.o.Lease)
		}
		timer.Reset(left)
	}
}
