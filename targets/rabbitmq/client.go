package rabbitmq

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

const (
	frameSize = 128 << 10 // bytes, RabbitMQ's own
	// closeTimeout bounds the orderly end of a connection.
	closeTimeout = 200 * time.Millisecond
)

// Client is one connection with one channel. The driver's own recovery is off:
// one operation is one attempt.
type Client struct {
	system  *System
	raw     net.Conn
	conn    *amqp.Connection
	ch      *amqp.Channel
	returns chan amqp.Return // unroutable messages; nil without confirms
	timeout time.Duration
	values  payload.Table
	known   map[uint32]string // names of the queues declared, by key
	late    atomic.Bool       // the operation's time ran out
	broken  bool
}

var _ targets.Client = (*Client)(nil)

// Connect opens a connection and a channel to a node over the clients' network.
func (s *System) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	ctx, dial, cancel := kit.Connecting(ctx, o)
	defer cancel()
	raw, err := dial(ctx, "tcp", kit.Address(n, port))
	if err != nil {
		return nil, fmt.Errorf("connect to RabbitMQ on %s: %w", n.Name, err)
	}
	c, err := s.begin(ctx, raw, (&login{Access: targets.Access{User: guest, Password: guest}}).config(""), o)
	if err != nil {
		return nil, fmt.Errorf("open an AMQP channel on %s: %w", n.Name, err)
	}
	return c, nil
}

// begin makes a client of a connection, which is closed after an error.
func (s *System) begin(ctx context.Context, raw net.Conn, config amqp.Config, o targets.ClientOptions) (*Client, error) {
	c := &Client{system: s, raw: raw, timeout: kit.OpTimeout(o), known: make(map[uint32]string), values: o.Values}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() }) // ends a handshake that takes too long
	err := c.open(config)
	if !stop() { // whatever the driver makes of it
		err = ctx.Err()
	}
	if err != nil {
		_ = raw.Close() // there is nothing to lose on it
		return nil, err
	}
	return c, nil
}

func (c *Client) open(config amqp.Config) (err error) {
	if c.conn, err = amqp.Open(c.raw, config); err != nil {
		return err
	}
	if c.ch, err = c.conn.Channel(); err != nil || !c.system.confirms {
		return err
	}
	c.returns = c.ch.NotifyReturn(make(chan amqp.Return, 1)) // one message is under way at a time
	return c.ch.Confirm(false)
}

// Broken reports whether the connection is of no more use.
func (c *Client) Broken() bool { return c.broken }

// Close closes the connection: in order where it works, so that the server
// puts back at once what was not acknowledged.
func (c *Client) Close() error {
	if !c.broken {
		c.broken = true
		return c.conn.CloseDeadline(time.Now().Add(closeTimeout))
	}
	return c.raw.Close()
}

// Do does one operation. A queue that this connection has not yet used is
// declared first; when that fails, nothing has been done to its messages.
func (c *Client) Do(ctx context.Context, op *history.Op) {
	if op.Kind != history.Enqueue {
		op.Elements, op.Value = op.Elements[:0], history.Nil
	}
	c.broken = c.broken || c.ch.IsClosed()
	if !kit.Begin(op, c.broken) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { // the driver's calls end with their connection
		c.late.Store(true)
		_ = c.raw.Close()
	})
	defer func() {
		if !stop() {
			c.broken = true
		}
	}()
	name, err := c.declared(op)
	if err != nil {
		c.fail(op, beforehand, err)
		return
	}
	switch op.Kind {
	case history.Enqueue:
		c.enqueue(op, name)
	case history.Dequeue:
		c.dequeue(op, name)
	case history.Drain:
		c.drain(ctx, op, name)
	default:
		kit.Refuse(op, history.ErrServer)
	}
}

// declared is the name of op's queue, which it declares on the first use.
func (c *Client) declared(op *history.Op) (string, error) {
	if name, ok := c.known[op.Key]; ok {
		return name, nil
	}
	name := string(kit.AppendKey([]byte(c.system.prefix), op))
	if c.system.noted != nil {
		if err := c.system.noted(c, name); err != nil {
			return "", err
		}
	}
	if _, err := c.ch.QueueDeclare(name, true, false, false, false, c.system.arguments()); err != nil {
		return "", err
	}
	c.known[op.Key] = name
	return name, nil
}

// arguments are what a queue is declared with.
func (s *System) arguments() amqp.Table {
	args := amqp.Table{}
	if s.queue == quorum {
		args["x-queue-type"] = quorum
		if s.nodes > 0 {
			args["x-quorum-initial-group-size"] = s.nodes
		}
	}
	return args
}

// enqueue publishes a persistent message. With confirms it is OK when the
// server has confirmed it: it is on disk, and a quorum or all mirrors have it.
func (c *Client) enqueue(op *history.Op, name string) {
	message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: c.values.Of(op).Append(nil, op.Value)}
	confirm, err := c.ch.PublishWithDeferredConfirm("", name, c.system.confirms, false, message)
	if err != nil {
		c.fail(op, sent, err)
		return
	}
	if !c.system.confirms {
		op.Outcome = history.OK
		return
	}
	<-confirm.Done() // bounded: it is done, too, when Do closes the connection
	returned := false
	select {
	case _, open := <-c.returns:
		returned = open
	default:
	}
	c.confirmed(op, confirm.Acked(), returned)
}

// confirmed draws the outcome from the server's word. A returned message is in
// no queue, though it is confirmed afterwards. A negative confirmation says
// that the server does not answer for the message, not that no queue has it;
// and the driver makes one of every confirmation that is missing at the end of
// a connection.
func (c *Client) confirmed(op *history.Op, acked, returned bool) {
	switch {
	case acked && returned:
		kit.Refuse(op, history.ErrServer)
	case acked:
		op.Outcome = history.OK
	case c.ch.IsClosed():
		c.fail(op, sent, amqp.ErrClosed)
	default:
		kit.Doubt(op, history.ErrServer)
	}
}

// dequeue gets one message and acknowledges it. AMQP has no answer to an
// acknowledgement, so a question to the same queue follows it: channel and
// queue work in order, and its answer shows that the queue has taken both.
func (c *Client) dequeue(op *history.Op, name string) {
	value, found, err := c.getAndAck(op, name)
	if found {
		op.Value = value
		if err == nil {
			err = c.waitAcked(name)
		}
	}
	if err != nil {
		c.fail(op, sent, err)
		return
	}
	op.Outcome = history.OK
}

// waitAcked returns when the queue has taken the acknowledgements before it.
func (c *Client) waitAcked(name string) error {
	_, err := c.ch.QueueDeclarePassive(name, true, false, false, false, nil)
	return err
}

// getAndAck gets one message and sends its acknowledgement.
func (c *Client) getAndAck(op *history.Op, name string) (value int64, found bool, err error) {
	message, found, err := c.ch.Get(name, false)
	if err != nil || !found {
		return history.Nil, false, err
	}
	if value, err = c.values.Of(op).Parse(message.Body); err != nil {
		return history.Nil, false, fmt.Errorf("%w: %w", errBody, err)
	}
	if err = message.Ack(false); err != nil {
		return value, true, fmt.Errorf("%w: %w", errAck, err)
	}
	return value, true, nil
}

// drain takes message after message. Each get shows that the acknowledgement
// before it has been taken. The server tells clients nothing of messages that
// others hold unacknowledged; Status waits for these before the final drain.
func (c *Client) drain(ctx context.Context, op *history.Op, name string) {
	deadline, _ := ctx.Deadline()
	enough := deadline.Add(-c.timeout / 4)
	for {
		value, found, err := c.getAndAck(op, name)
		if op.Value != history.Nil && (err == nil || found) {
			op.Elements = append(op.Elements, op.Value)
			op.Value = history.Nil
		}
		if found {
			op.Value = value
		}
		if err == nil && found && time.Now().After(enough) {
			if err = c.waitAcked(name); err == nil {
				op.Elements = append(op.Elements, op.Value)
				op.Value = history.Nil
				kit.Refuse(op, history.ErrTimeout) // between two messages: no other was taken
				return
			}
		}
		if err != nil {
			c.fail(op, sent, err)
			return
		}
		if !found {
			op.Outcome = history.OK
			return
		}
	}
}
