package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/service"
)

// Invitation is what a guest on somebody else's machine is told: one line of JSON on
// its standard input, before the control channel goes over that and its standard
// output.
type Invitation struct {
	Secret Secret        `json:"secret"`
	Server service.Spec  `json:"server"`
	Lease  time.Duration `json:"lease"`
	// Down: the harness has taken the server down, by a guest before this one.
	Down bool `json:"down,omitempty"`
	// Port is that of the machine over which the harness comes; no rule touches it.
	Port int `json:"port"`
}

// What a guest answers to an invitation, at the beginning of a line.
const (
	GuestReady   = "aftershock guest is ready"
	GuestRefuses = "aftershock guest refuses: "
)

// Mux is how the connections of a control channel share one way in and out.
type Mux struct{ *yamux.Session }

// NewMux begins one at either end. Who dials is the client.
func NewMux(conn io.ReadWriteCloser, client bool) (Mux, error) {
	c := yamux.DefaultConfig()
	c.EnableKeepAlive = false // the lease notices who is not heard of
	c.LogOutput = io.Discard
	c.StreamOpenTimeout = handshakeTimeout
	begin := yamux.Server
	if client {
		begin = yamux.Client
	}
	s, err := begin(conn, c)
	return Mux{s}, err
}

// Dial opens a connection to the other end.
func (m Mux) Dial(context.Context) (net.Conn, error) {
	c, err := m.Session.Open()
	if err != nil {
		return nil, err
	}
	return muxed{c}, nil
}

// muxed tells the end of a deadline as the standard library does. What yamux returns
// is not temporary, so that crypto/tls takes the connection for broken when net/http
// interrupts a read.
type muxed struct{ net.Conn }

func (c muxed) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, deadline(err)
}

func (c muxed) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, deadline(err)
}

func deadline(err error) error {
	if errors.Is(err, yamux.ErrTimeout) {
		return os.ErrDeadlineExceeded
	}
	return err
}

// guestName is an address in the kernel that one process of a machine can have: it
// ends with the process.
const guestName = "@aftershock-guest"

// MainOnHost is what a guest on somebody else's machine does: it serves over its
// standard input and output until these end, the harness asks for that or is not
// heard of for the lease. Then nothing of it is left: no rule, no pause, no file; what
// it took down runs again.
func MainOnHost(ctx context.Context, stdin io.ReadCloser, stdout io.WriteCloser, stderr io.Writer) error {
	// A connection that is gone must not end this process before it has healed.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	if err := removeOwnFolder(); err != nil {
		return err
	}
	in := bufio.NewReader(stdin)
	o, err := accept(in)
	if err == nil {
		var alone net.Listener
		if alone, err = net.Listen("unix", guestName); err == nil {
			defer alone.Close()
		} else {
			err = fmt.Errorf("another run is attached to this machine: wait for its end (%w)", err)
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(stdout, "%s%s\n", GuestRefuses, oneLine(err))
		return err
	}
	if _, err := fmt.Fprintln(stdout, GuestReady); err != nil {
		return err
	}
	session, err := NewMux(stdio{in, stdin, stdout}, false)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		<-session.CloseChan()
		cancel()
	}()
	o.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	err = serve(ctx, o, listen(session), false)
	if errors.Is(err, ErrLeaseExpired) || ctx.Err() != nil {
		return nil
	}
	return err
}

// ServeSession serves what comes over a process's standard input and output, which the
// other side began by NewMux, until these end; ctx of serve ends with them.
func ServeSession(ctx context.Context, stdin io.ReadCloser, stdout io.WriteCloser, serve func(context.Context, net.Listener) error) error {
	signal.Ignore(syscall.SIGPIPE)
	session, err := NewMux(stdio{stdin, stdin, stdout}, false)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		<-session.CloseChan()
		cancel()
	}()
	err = serve(ctx, listen(session))
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(err, session.Close())
}

// accept reads the invitation.
func accept(in *bufio.Reader) (Options, error) {
	type result struct {
		line []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := in.ReadBytes('\n')
		read <- result{line, err}
	}()
	timer := time.NewTimer(secretTimeout)
	defer timer.Stop()
	select {
	case <-timer.C:
		return Options{}, fmt.Errorf("agent: no invitation in %s: the guest is started by the harness, not by hand", secretTimeout)
	case r := <-read:
		var i Invitation
		if r.err != nil {
			return Options{}, fmt.Errorf("agent: read the invitation: %w: the guest is started by the harness, not by hand", r.err)
		}
		if err := json.Unmarshal(r.line, &i); err != nil {
			return Options{}, fmt.Errorf("agent: read the invitation: %w", err)
		}
		return Options{Guest: GuestOfHost, Secret: i.Secret, Lease: i.Lease, server: i.Server, down: i.Down, controlPort: uint16(i.Port)}.withDefaults()
	}
}

// GuestFolder begins the name of the folder that a guest's program is copied into.
const GuestFolder = "aftershock-guest."

// removeOwnFolder removes the program and its folder. The kernel keeps the program
// for as long as it runs, so that nothing is left however it ends.
func removeOwnFolder() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir := filepath.Dir(self)
	if !strings.HasPrefix(filepath.Base(dir), GuestFolder) {
		return nil // it was not copied
	}
	return os.RemoveAll(dir)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// stdio is one way in and out made of two.
type stdio struct {
	io.Reader
	in  io.Closer
	out io.WriteCloser
}

func (s stdio) Write(p []byte) (int, error) { return s.out.Write(p) }
func (s stdio) Close() error                { return errors.Join(s.out.Close(), s.in.Close()) }

// accepted is a listener of a session's connections. Its Close does not close the
// session: that waits for the standard input, which only the other side ends.
type accepted struct {
	session Mux
	conns   chan net.Conn
	done    chan struct{}
	once    *sync.Once
}

func listen(session Mux) accepted {
	l := accepted{session, make(chan net.Conn), make(chan struct{}), new(sync.Once)}
	go func() {
		defer l.Close()
		for {
			c, err := session.Accept()
			if err != nil {
				return
			}
			select {
			case l.conns <- muxed{c}:
			case <-l.done:
				_ = c.Close()
				return
			}
		}
	}()
	return l
}

func (l accepted) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, http.ErrServerClosed
	}
}

func (l accepted) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l accepted) Addr() net.Addr { return l.session.Addr() }

// hostActions lists what a guest on somebody else's machine can do to its server.
func (s *server) hostActions(all map[cluster.ActionKind]action) {
	p := s.service.Processes()
	all[cluster.Pause] = action{can: p.Can, do: p.Pause}
	all[cluster.Resume] = action{do: p.Resume}
	all[cluster.Crash] = action{can: p.Can, do: s.service.Crash}
	all[cluster.Kill] = action{can: s.service.CanStart, do: s.service.Kill}
	all[cluster.Stop] = action{can: s.service.CanStop, do: s.service.Stop}
	all[cluster.Restart] = action{do: s.service.Restart}
}

// lives streams the ends and the starts of a server that somebody else runs.
func (s *server) lives(w http.ResponseWriter, r *http.Request) {
	streamExits(w, r, func(seq int) (exitReply, bool) {
		e, number, ok := s.service.NextEvent(r.Context(), seq)
		out := exitReply{Seq: number, At: s.clock.read(e.At), Began: e.Began, Planned: e.Planned, By: e.By, Code: -1}
		if e.Planned && !e.Began {
			out.Signal = "killed"
		}
		return out, ok
	})
}

// runBeside runs a command of the machine.
func (s *server) runBeside(ctx context.Context, spec cluster.ServerSpec) (runReply, error) {
	output, err := s.service.Run(ctx, spec)
	if err != nil && output == nil {
		return runReply{}, err
	}
	r := runReply{Output: output}
	if err != nil {
		r.Error = fmt.Sprintf("%s: %s", spec.Command[0], err)
	}
	return r, nil
}
