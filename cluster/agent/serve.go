package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Serve runs the agent until the harness closes it, ctx ends (both return
// nil), or the lease expires (ErrLeaseExpired). It kills everything that it
// started before it returns; as PID 1, everything in the node.
func Serve(ctx context.Context, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	if o.MountProc {
		if err := mountProc(); err != nil {
			return err
		}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("agent: open the control channel: %w: is another agent or server on this port of the node?", err)
	}
	return serve(ctx, o, listener, os.Getpid() == 1)
}

func mountProc() error {
	err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "")
	if err != nil {
		return fmt.Errorf("agent: mount /proc: %w: in a container, run it with its /proc unmasked (docker run --security-opt systempaths=unconfined)", err)
	}
	return nil
}

// server is the agent's side of the control channel.
type server struct {
	o        Options
	node     *node
	heard    atomic.Int64 // agent's clock at the last authenticated request
	inFlight chan struct{}
	over     chan struct{} // closed when the harness says so
	overOnce sync.Once
	tunnels  sync.WaitGroup
	ctx      context.Context // ends with the agent
}

// serve runs the agent on listener; init says whether it is PID 1 of its node.
func serve(ctx context.Context, o Options, listener net.Listener, init bool) error {
	port := uint16(listener.Addr().(*net.TCPAddr).Port)
	group, running := errgroup.WithContext(ctx)
	s := &server{
		o: o, node: newNode(o, port, init), inFlight: make(chan struct{}, maxInFlight),
		over: make(chan struct{}), ctx: running,
	}
	web := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return running },
	}
	// Reaping goes on until the very end, for close waits for the dead.
	reaping, stopReaping := context.WithCancel(context.WithoutCancel(ctx))
	reaped := make(chan struct{})
	go func() {
		defer close(reaped)
		s.node.procs.reap(reaping)
	}()
	group.Go(func() error {
		if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("agent: control channel: %w", err)
		}
		return nil
	})
	group.Go(func() error { return s.untilOver(running) })
	group.Go(func() error {
		<-running.Done()
		err := s.node.close()
		_ = web.Close() // what it still serves ends with the agent
		return err
	})
	err := group.Wait()
	s.tunnels.Wait()
	stopReaping()
	<-reaped
	if errors.Is(err, errOver) {
		return nil
	}
	return err
}

// errOver ends the agent's goroutines when it is to end without an error.
var errOver = errors.New("agent over")

// untilOver ends with the harness's word, ctx, or the lease.
func (s *server) untilOver(ctx context.Context) error {
	timer := time.NewTimer(s.o.Lease)
	defer timer.Stop()
	for {
		select {
		case <-s.over:
			return errOver
		case <-ctx.Done():
			return errOver
		case <-timer.C:
		}
		left := time.Duration(s.heard.Load()-s.node.now()) + s.o.Lease
		if left <= 0 {
			s.o.Logger.Warn("harness not heard of, ending", slog.Duration("lease", s.o.Lease), slog.Int("pid", os.Getpid()))
			return fmt.Errorf("agent: %w: no request of the harness for %s", ErrLeaseExpired, s.o.Lease)
		}
		timer.Reset(left)
	}
}
