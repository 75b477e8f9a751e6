package agent

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Start implements cluster.Control.
func (c *Client) Start(ctx context.Context, spec cluster.ServerSpec) error {
	var none struct{}
	if err := c.call(ctx, pathStart, spec, &none); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	return nil
}

// Do implements cluster.Control. When ctx ends before the action's instant,
// the action is called off.
func (c *Client) Do(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	in := actionRequest{Action: a}
	if !a.At.IsZero() {
		in.At = c.clock.toAgent(a.At)
	}
	var out actionReply
	if err := c.call(ctx, pathAction, in, &out); err != nil {
		return cluster.Effect{}, fmt.Errorf("%s: %w", a.Kind, err)
	}
	at, bound := c.clock.toHarness(out.At)
	return cluster.Effect{At: at, Error: bound, Dropped: out.Dropped, Changed: out.Changed, Lapsed: time.Duration(out.Lapsed), Counts: out.Counts}, nil
}

// Peer is the harness's address as the agent sees it: that from which its packets reach
// the node, if the control channel goes over the node's own network.
func (c *Client) Peer(ctx context.Context) (netip.Addr, error) {
	var out peerReply
	if err := c.call(ctx, pathPeer, struct{}{}, &out); err != nil {
		return netip.Addr{}, fmt.Errorf("ask the node who we are: %w", err)
	}
	addr, err := netip.ParseAddrPort(out.Addr)
	return addr.Addr().Unmap(), err
}

// Usage implements cluster.Metered.
func (c *Client) Usage(ctx context.Context) (cluster.Usage, error) {
	var out usageReply
	if err := c.call(ctx, pathUsage, struct{}{}, &out); err != nil {
		return cluster.Usage{}, fmt.Errorf("read the node's usage: %w", err)
	}
	at, _ := c.clock.toHarness(out.At)
	return cluster.Usage{At: at, Set: out.Set}, nil
}

// Probe implements cluster.Control.
func (c *Client) Probe(ctx context.Context, addr netip.AddrPort, timeout time.Duration) error {
	var out probeReply
	if err := c.call(ctx, pathProbe, probeRequest{Addr: addr.String(), Timeout: timeout}, &out); err != nil {
		return fmt.Errorf("probe %s: %w", addr, err)
	}
	switch {
	case out.Refused:
		return fmt.Errorf("probe %s: %w", addr, cluster.ErrRefused)
	case out.Error != "":
		return errors.New(out.Error)
	}
	return nil
}

// Run implements cluster.Control. Its error tells of an exit other than 0; the
// output is returned with it.
func (c *Client) Run(ctx context.Context, spec cluster.ServerSpec) ([]byte, error) {
	var out runReply
	if err := c.call(ctx, pathRun, spec, &out); err != nil {
		return nil, fmt.Errorf("run a command in the node: %w", err)
	}
	if out.Error != "" {
		return out.Output, fmt.Errorf("run a command in the node: %s", out.Error)
	}
	return out.Output, nil
}

// Exits implements cluster.Control.
func (c *Client) Exits() <-chan cluster.Exit { return c.exits }

// followExits delivers the exits until the channel is lost; a broken stream is
// taken up again where it ended.
func (c *Client) followExits() {
	defer close(c.exits)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for seen := 0; ; timer.Reset(reconnectPause) {
		select {
		case <-timer.C:
			seen = c.readExits(seen)
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *Client) readExits(seen int) int {
	response, done, err := c.open(c.ctx, pathExits, exitsRequest{From: seen})
	if err != nil {
		return seen
	}
	defer done()
	defer response.Body.Close()
	for decoder := json.NewDecoder(response.Body); ; {
		var e exitReply
		if decoder.Decode(&e) != nil {
			return seen
		}
		at, _ := c.clock.toHarness(e.At)
		if e.Began {
			c.noteStart(Start{At: at, Planned: e.Planned})
			seen = e.Seq + 1
			continue
		}
		select {
		case c.exits <- cluster.Exit{At: at, Code: e.Code, Signal: e.Signal, Planned: e.Planned, By: e.By, Memory: e.Memory}:
			seen = e.Seq + 1
		case <-c.ctx.Done():
			return seen
		}
	}
}

// CopyOutput implements cluster.Control. The control channel's end is no
// error; that of ctx, and w's own errors, are.
func (c *Client) CopyOutput(ctx context.Context, w io.Writer) error {
	response, done, err := c.open(ctx, pathOutput, struct{}{})
	if err != nil {
		if c.Ended() { // it was ended while it was asked: that is the reason
			err = c.withCause(ctx, err)
		}
		return fmt.Errorf("copy the server's output: %w", err)
	}
	defer done()
	defer response.Body.Close()
	to := &writeErrors{w: w}
	_, _ = io.Copy(to, response.Body)
	if to.err != nil {
		return fmt.Errorf("copy the server's output: %w", to.err)
	}
	return ctx.Err()
}

// writeErrors tells a writer's errors from the reader's.
type writeErrors struct {
	w   io.Writer
	err error
}

func (w *writeErrors) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	w.err = err
	return n, err
}

// DialServer implements cluster.Control. The connection lives on when ctx ends.
func (c *Client) DialServer(ctx context.Context, port int) (net.Conn, error) {
	ctx, done := c.withChannel(ctx)
	defer done()
	tcp, err := c.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("tunnel to port %d: %w", port, c.withCause(ctx, err))
	}
	conn := tls.Client(tcp, c.tls)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	reader, err := c.upgrade(ctx, conn, port)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = tcp.Close() // a farewell would wait for a peer that may be gone
		return nil, fmt.Errorf("tunnel to port %d: %w", port, c.withCause(ctx, err))
	}
	return &tunnelConn{Conn: conn, reader: reader}, nil
}

// upgrade asks the agent to join conn to the port.
func (c *Client) upgrade(ctx context.Context, conn net.Conn, port int) (*bufio.Reader, error) {
	body, err := json.Marshal(tunnelRequest{Port: port})
	if err != nil {
		return nil, err
	}
	request, err := c.request(ctx, pathTunnel, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", tunnelName)
	var out bytes.Buffer
	if err := request.Write(&out); err != nil {
		return nil, err
	}
	if _, err := conn.Write(out.Bytes()); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		defer response.Body.Close()
		return nil, refusal(response)
	}
	return reader, nil
}

// tunnelConn reads what came together with the answer first. Being a TLS
// connection otherwise, it can be half-closed.
type tunnelConn struct {
	*tls.Conn
	reader *bufio.Reader
}

func (t *tunnelConn) Read(p []byte) (int, error) { return t.reader.Read(p) }

// Close implements cluster.Control. It may be called more than once. It is an
// error if the agent cannot be reached, unless the channel was lost before; then
// the agent ends with its lease.
func (c *Client) Close() error { return c.closed() }

func (c *Client) shutdown() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), closeTimeout)
	defer cancel()
	var none struct{}
	var err error
	if c.ctx.Err() == nil { // else it has ended, or will with its lease
		err = c.call(ctx, pathShutdown, none, &none)
	}
	if errors.Is(err, ErrLost) {
		err = nil
	}
	c.cancel(fmt.Errorf("%w: closed by the harness", ErrLost))
	c.background.Wait()
	c.http.CloseIdleConnections()
	if err != nil {
		return fmt.Errorf("end the agent at %s: %w", c.place, err)
	}
	return nil
}
