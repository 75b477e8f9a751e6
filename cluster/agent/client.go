package agent

import (
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
	"sync"
	"sync/atomic"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Bounds of the client.
const (
	clockSamples        = 7                      // round trips at Dial
	dialPause           = 2 * time.Millisecond   // between the first attempts
	maxDialPause        = 20 * time.Millisecond  // later on
	dialAttempt         = 500 * time.Millisecond // longest single attempt
	handshakeTimeout    = 5 * time.Second        // of a busy machine
	exitsBuffered       = 64
	closeTimeout        = 2 * time.Second
	heartbeatsPerLease  = 5
	heartbeatMost       = 200 * time.Millisecond // between two, so that a node that stands still is soon noticed
	minHeartbeatTimeout = 50 * time.Millisecond  // time-out of a heartbeat, at least
	maxReply            = 4 << 20
	maxErrorReply       = 64 << 10
	reconnectPause      = 10 * time.Millisecond
)

// ErrLost is the cause of every error after the agent was not heard of for
// longer than its lease, or the client was closed.
var ErrLost = errors.New("control channel lost")

// ErrRefused is wrapped by Dial's error when what answers is not the node's own
// agent, or the agent does not take this harness for its own.
var ErrRefused = errors.New("the two ends of the control channel do not belong together")

// Client is the harness's hold on one agent; it implements cluster.Control and
// may be used by many goroutines. It keeps the agent's lease alive until Close.
type Client struct {
	place      string                                      // where the agent is, for messages
	dial       func(ctx context.Context) (net.Conn, error) // a connection to it
	tls        *tls.Config
	lease      time.Duration
	http       *http.Client
	clock      clockOffset
	heard      atomic.Pointer[time.Time] // the last answer
	exits      chan cluster.Exit
	lapses     chan Lapse
	starts     chan Start
	lapsed     atomic.Int64    // how many lapses the agent has told
	ctx        context.Context // ends when the channel is lost or closed
	cancel     context.CancelCauseFunc
	background sync.WaitGroup
	closed     func() error
}

var (
	_ cluster.Control = (*Client)(nil)
	_ cluster.Heard   = (*Client)(nil)
	_ cluster.Metered = (*Client)(nil)
)

// Dial connects to a node's agent at addr, whose keys are of this Authority. It
// tries until the agent answers or ctx ends; only one with other keys ends it at
// once, with ErrRefused.
func (a *Authority) Dial(ctx context.Context, addr netip.AddrPort, node string, lease time.Duration) (*Client, error) {
	dialer := &net.Dialer{Timeout: dialAttempt}
	dial := func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr.String()) }
	return a.DialBy(ctx, awake(dial, dialAttempt), addr.String(), node, lease)
}

// asleep is by how much an attempt lasts longer than it may if this process did not run
// meanwhile.
const asleep = 100 * time.Millisecond

// awake makes attempts to connect again that ran out of time while this process did not
// run: it was stopped, or starved, and the agent may have been there all the time.
func awake(dial func(context.Context) (net.Conn, error), longest time.Duration) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		for {
			began := time.Now()
			conn, err := dial(ctx)
			var timeout net.Error
			if err == nil || ctx.Err() != nil || !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(began) < longest+asleep {
				return conn, err
			}
		}
	}
}

// DialBy is Dial over the connections that dial makes, to an agent that errors say is
// at place.
func (a *Authority) DialBy(ctx context.Context, dial func(context.Context) (net.Conn, error), place, node string, lease time.Duration) (*Client, error) {
	if lease <= 0 {
		lease = cluster.DefaultLease
	}
	// No proxy, no compression: the peer is a node of our own.
	secure := a.client(node)
	transport := &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		TLSClientConfig:     secure,
		TLSHandshakeTimeout: handshakeTimeout,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}
	c := &Client{
		place: place, dial: dial, tls: secure, lease: lease, http: &http.Client{Transport: transport},
		exits: make(chan cluster.Exit, exitsBuffered), lapses: make(chan Lapse, lapsesBuffered), starts: make(chan Start, exitsBuffered),
	}
	if err := c.waitForAgent(ctx); err != nil {
		transport.CloseIdleConnections()
		return nil, fmt.Errorf("reach the agent at %s: %w", place, err)
	}
	c.ctx, c.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	c.closed = sync.OnceValue(c.shutdown)
	c.background.Go(c.heartbeat)
	c.background.Go(c.followExits)
	return c, nil
}

// waitForAgent waits for the agent's first answer, then measures its clock.
func (c *Client) waitForAgent(ctx context.Context) error {
	var last error
	for pause := dialPause; ; pause = min(2*pause, maxDialPause) {
		attempt, cancel := context.WithTimeout(ctx, dialAttempt)
		err := c.measure(attempt)
		cancel()
		if err == nil {
			break
		}
		if last == nil || ctx.Err() == nil { // the end of ctx says nothing about the agent
			last = err
		}
		if refused(err) {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w; the last attempt: %w", ctx.Err(), last)
		}
	}
	for range clockSamples - 1 {
		if err := c.measure(ctx); err != nil {
			return fmt.Errorf("measure its clock: %w", err)
		}
	}
	return nil
}

// measure asks for the agent's clock once, which is also the heartbeat.
func (c *Client) measure(ctx context.Context) error {
	var reply clockReply
	sent := time.Now()
	if err := c.call(ctx, pathClock, struct{}{}, &reply); err != nil {
		return err
	}
	received := time.Now()
	c.clock.add(sample{sent: sent, received: received, agent: reply.Now})
	c.heard.Store(&received)
	c.noteLapse(reply)
	return nil
}

// Heard implements cluster.Heard.
func (c *Client) Heard() time.Time { return *c.heard.Load() }

// heartbeat keeps the lease alive until the channel is lost.
func (c *Client) heartbeat() {
	longest := c.lease / heartbeatsPerLease
	ticker := time.NewTicker(min(longest, heartbeatMost))
	defer ticker.Stop()
	lastAnswer := time.Now()
	for {
		select {
		case <-ticker.C:
		case <-c.ctx.Done():
			return
		}
		sent := time.Now()
		ctx, cancel := context.WithTimeout(c.ctx, max(longest, minHeartbeatTimeout))
		err := c.measure(ctx)
		cancel()
		if err == nil {
			lastAnswer = sent
		} else if time.Since(lastAnswer) > c.lease {
			c.cancel(fmt.Errorf("%w: agent at %s not heard of for its lease of %s: %w", ErrLost, c.place, c.lease, err))
			return
		}
	}
}

// call makes one request and decodes its answer. It ends with ctx, or with
// the channel.
func (c *Client) call(ctx context.Context, path string, in, out any) error {
	response, done, err := c.open(ctx, path, in)
	if err != nil {
		return err
	}
	defer done()
	defer response.Body.Close()
	if err := json.NewDecoder(io.LimitReader(response.Body, maxReply)).Decode(out); err != nil {
		return c.withCause(ctx, fmt.Errorf("read the agent's answer: %w", err))
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxErrorReply)) // so that the connection is used again
	return nil
}

// open makes one request. The caller closes the answer's body and calls done.
func (c *Client) open(ctx context.Context, path string, in any) (*http.Response, func(), error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the request: %w", err)
	}
	ctx, done := c.withChannel(ctx)
	request, err := c.request(ctx, path, body)
	if err != nil {
		done()
		return nil, nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		err = c.withCause(ctx, err)
		done()
		return nil, nil, err
	}
	if response.StatusCode != http.StatusOK {
		defer done()
		defer response.Body.Close()
		return nil, nil, refusal(response)
	}
	return response, done, nil
}

// withChannel returns a context that ends with ctx or with the channel.
func (c *Client) withChannel(ctx context.Context) (context.Context, func()) {
	if c.ctx == nil { // still dialling
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.ctx, func() { cancel(context.Cause(c.ctx)) })
	return ctx, func() { stop(); cancel(nil) }
}

// withCause adds the reason why ctx or the channel ended, if they have, to err,
// which followed from it.
func (c *Client) withCause(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if cause == nil && c.ctx != nil {
		cause = context.Cause(c.ctx)
	}
	if cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// urlHost stands for the agent in URLs, whose connections dial makes.
const urlHost = "agent"

func (c *Client) request(ctx context.Context, path string, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+urlHost+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	return request, nil
}

// refusal is the error that an answer other than 200 tells.
func refusal(response *http.Response) error {
	var reply errorReply
	err := json.NewDecoder(io.LimitReader(response.Body, maxErrorReply)).Decode(&reply)
	if err != nil || reply.Error == "" {
		reply.Error = "agent answered " + response.Status
	}
	return errors.New(reply.Error)
}
