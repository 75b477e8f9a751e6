package nats

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	driver "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Client is one connection to one server. It never reconnects, and a call is
// one attempt: the publishing methods of the client library's buckets try
// again, so buckets are spoken to by their protocol, which is publishing to
// and reading from a stream.
type Client struct {
	system  *System
	conn    *driver.Conn
	stream  jetstream.JetStream
	timeout time.Duration
	scratch []byte
	values  payload.Table
	broken  bool
}

var _ targets.Client = (*Client)(nil)

// Connect opens a connection to a node over the clients' network.
func (s *System) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	ctx, dial, cancel := kit.Connecting(ctx, o)
	defer cancel()
	conn, err := connect(ctx, kit.Address(n, clientPort), dial)
	var c *Client
	if err == nil {
		c, err = s.clientOf(conn, o)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to nats-server on %s: %w", n.Name, err)
	}
	return c, nil
}

// clientOf makes a client of a connection, which is closed after an error.
func (s *System) clientOf(conn *driver.Conn, o targets.ClientOptions) (*Client, error) {
	stream, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Client{system: s, conn: conn, stream: stream, timeout: kit.OpTimeout(o), values: o.Values}, nil
}

// flushTimeout bounds a write to a socket that takes nothing any more.
const flushTimeout = 200 * time.Millisecond

// connect opens one connection to one server within ctx.
func connect(ctx context.Context, address string, dial dialFunc, more ...driver.Option) (*driver.Conn, error) {
	timeout := defaultTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), time.Millisecond)
	}
	d := &dialer{ctx: ctx, dial: dial}
	defer d.done()
	return driver.Connect("nats://"+address, append(more, driver.SetCustomDialer(d), driver.Timeout(timeout), driver.NoReconnect(),
		driver.DontRandomize(), driver.FlusherTimeout(flushTimeout), ignoreDiscovered)...)
}

// ignoreDiscovered keeps the client with the server that it was given.
func ignoreDiscovered(o *driver.Options) error {
	o.IgnoreDiscoveredServers, o.SkipHostLookup = true, true
	return nil
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialer makes the library, which knows no contexts when it connects, obey
// one: when ctx ends before done is called, the connection is closed.
type dialer struct {
	ctx  context.Context
	dial dialFunc
	stop []func() bool
}

// Dial opens the connection.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := d.dial(d.ctx, network, address)
	if err == nil {
		d.stop = append(d.stop, context.AfterFunc(d.ctx, func() { _ = conn.Close() }))
	}
	return conn, err
}

func (d *dialer) done() {
	for _, stop := range d.stop {
		stop()
	}
}

// Broken reports whether the connection is of no more use.
func (c *Client) Broken() bool { return c.broken || !c.conn.IsConnected() }

// Close closes the connection.
func (c *Client) Close() error {
	c.broken = true
	c.conn.Close()
	return nil
}

// Do makes one call. A late answer to a call that was given up is dropped by
// the library: answers have subjects of their own.
func (c *Client) Do(ctx context.Context, op *history.Op) {
	if !kit.Begin(op, c.Broken()) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	switch op.Kind {
	case history.Read, history.Poll:
		c.read(ctx, op)
	case history.Write, history.Mark:
		c.publish(ctx, op, c.bucketKey(op))
	case history.CAS:
		c.compareAndSet(ctx, op)
	case history.Add:
		c.publish(ctx, op, c.elementKey(op))
	case history.ReadSet:
		c.readSet(ctx, op)
	case history.Enqueue:
		c.publish(ctx, op, c.queueKey(op))
	case history.Dequeue:
		c.dequeue(ctx, op)
	case history.Drain:
		c.drain(ctx, op)
	default:
		kit.Refuse(op, history.ErrServer)
	}
}

// bucketKey is the subject of op's key: "$KV.aftershock.r0.17".
func (c *Client) bucketKey(op *history.Op) string {
	c.scratch = kit.AppendKey(append(c.scratch[:0], c.system.keys...), op)
	return string(c.scratch)
}

// elementKey is the subject of an element of a set, a key of its own:
// "$KV.aftershock.s0.0.17".
func (c *Client) elementKey(op *history.Op) string {
	c.scratch = append(kit.AppendKey(append(c.scratch[:0], c.system.keys...), op), '.')
	c.scratch = strconv.AppendInt(c.scratch, op.Value, 10)
	return string(c.scratch)
}

// queueKey is the subject of a queue's messages: "queue.q0.0".
func (c *Client) queueKey(op *history.Op) string {
	c.scratch = kit.AppendKey(append(c.scratch[:0], c.system.messages...), op)
	return string(c.scratch)
}

// publish sends op's value to a subject and waits for the confirmation. It
// carries no message id: nothing is taken for a duplicate.
func (c *Client) publish(ctx context.Context, op *history.Op, subject string, options ...jetstream.PublishOpt) {
	options = append(options, jetstream.WithRetryAttempts(0))
	_, err := c.stream.Publish(ctx, subject, c.values.Of(op).Append(nil, op.Value), options...)
	op.Outcome, op.Error = classify(err)
}
