package ripple

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Client is one connection. An operation allocates nothing, but for growing
// the elements of a set read or a drain.
type Client struct {
	conn    net.Conn
	timeout time.Duration
	out     []byte
	scratch [20]byte
	in      reader
	broken  bool
}

var _ targets.Client = (*Client)(nil)

// Connect opens a connection to a node over the clients' network.
func (s *System) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	ctx, dial, cancel := kit.Connecting(ctx, o)
	defer cancel()
	conn, err := dial(ctx, "tcp", address(n))
	if err != nil {
		return nil, fmt.Errorf("connect to ripple on %s: %w", n.Name, err)
	}
	timeout := kit.OpTimeout(o)
	return newClient(conn, timeout), nil
}

func newClient(conn net.Conn, timeout time.Duration) *Client {
	return &Client{conn: conn, timeout: timeout, in: reader{src: conn}}
}

// Broken reports whether the connection is of no more use.
func (c *Client) Broken() bool { return c.broken }

// Close closes the connection.
func (c *Client) Close() error {
	c.broken = true
	return c.conn.Close()
}

// Do makes one call. An operation that goes to the node that the caller takes
// for the primary (the flag FromPrimary) is answered by a primary only; a node
// that has become a replica refuses it instead of reading an older state.
func (c *Client) Do(ctx context.Context, op *history.Op) {
	op.Outcome, op.Error = history.Unknown, history.ErrNone
	op.Flags &^= history.Seen
	if op.Kind == history.Dequeue || op.Kind == history.Drain {
		op.Value, op.Elements = history.Nil, op.Elements[:0]
	}
	if c.broken {
		op.Outcome, op.Error = history.Fail, history.ErrConnect // nothing is sent
		return
	}
	if !c.encode(op) {
		op.Outcome, op.Error = history.Fail, history.ErrServer
		return
	}
	deadline := kit.Deadline(ctx, c.timeout)
	if op.Kind == history.Drain {
		c.drain(op, deadline)
		return
	}
	c.exchange(op, deadline)
}

// exchange sends the encoded command and reads its answer.
func (c *Client) exchange(op *history.Op, deadline time.Time) {
	if err := c.call(deadline); err != nil {
		c.lose(op, err)
		return
	}
	if err := c.answer(op); err != nil {
		c.lose(op, err)
	}
}

// drain repeats the encoded pop, which takes and acknowledges one message,
// until the queue is empty. It ends early enough that the last pop can still
// be answered in time.
func (c *Client) drain(op *history.Op, deadline time.Time) {
	stop := time.Now().Add(time.Until(deadline) * 3 / 4)
	pop := history.Op{Kind: history.Dequeue, Key: op.Key, Workload: op.Workload}
	for {
		pop.Value, pop.Outcome, pop.Error = history.Nil, history.Unknown, history.ErrNone
		c.exchange(&pop, deadline)
		op.Outcome, op.Error = pop.Outcome, pop.Error
		if pop.Outcome != history.OK || pop.Value == history.Nil {
			return
		}
		op.Elements = append(op.Elements, pop.Value)
		if time.Now().After(stop) {
			op.Outcome, op.Error = history.Fail, history.ErrTimeout
			return
		}
	}
}

func (c *Client) call(deadline time.Time) error {
	if err := c.conn.SetDeadline(deadline); err != nil {
		return err
	}
	_, err := c.conn.Write(c.out)
	return err
}

// lose marks the connection broken: an answer may still come for this call,
// and must not be taken for the next one's.
func (c *Client) lose(op *history.Op, err error) {
	c.broken = true
	op.Outcome, op.Error = history.Unknown, history.ErrConnLost
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		op.Error = history.ErrTimeout
	}
}

// encode makes the command of op in c.out; false if there is none, and nothing
// is sent then.
func (c *Client) encode(op *history.Op) bool {
	primary := op.Flags&history.FromPrimary != 0
	c.out = c.out[:0]
	switch op.Kind {
	case history.Read:
		c.command(2, pick(primary, "PGET", "GET"), 'r', op)
	case history.Poll:
		c.command(2, pick(primary, "PGET", "GET"), 'm', op)
	case history.ReadSet:
		c.command(2, pick(primary, "PSMEMBERS", "SMEMBERS"), 's', op)
	case history.Write:
		c.command(3, "SET", 'r', op)
		c.value(op.Value)
	case history.Mark:
		c.command(3, "SET", 'm', op)
		c.value(op.Value)
	case history.Add:
		c.command(3, "SADD", 's', op)
		c.value(op.Value)
	case history.Enqueue:
		c.command(3, "RPUSH", 'q', op)
		c.value(op.Value)
	case history.Dequeue, history.Drain:
		c.command(2, "LPOP", 'q', op)
	case history.CAS:
		c.command(4, "CAS", 'r', op)
		c.value(op.Old)
		c.value(op.Value)
	default:
		return false
	}
	return true
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// command begins a command of n words with its name and key.
// Keys tell the kind and the workload, so that two workloads of a plan never
// meet: "r0.17" is the register 17 of the first workload.
func (c *Client) command(n int, name string, prefix byte, op *history.Op) {
	b := append(c.scratch[:0], prefix)
	b = strconv.AppendUint(b, uint64(op.Workload), 10)
	b = append(b, '.')
	c.out = redcon.AppendArray(c.out, n)
	c.out = redcon.AppendBulkString(c.out, name)
	c.out = redcon.AppendBulk(c.out, strconv.AppendUint(b, uint64(op.Key), 10))
}

func (c *Client) value(v int64) {
	c.out = redcon.AppendBulk(c.out, strconv.AppendInt(c.scratch[:0], v, 10))
}

// answer reads the reply to op; an error means that the connection is of no
// more use.
func (c *Client) answer(op *history.Op) error {
	r, err := c.in.reply()
	if err != nil {
		return err
	}
	if r.kind == '-' {
		op.Outcome, op.Error = classify(string(r.text))
		return nil
	}
	switch op.Kind {
	case history.Read, history.Poll:
		op.Value, err = r.value()
	case history.Dequeue:
		var v int64
		if v, err = r.value(); err == nil {
			op.Value = v
		}
	case history.Write, history.Mark:
		if r.kind != '+' {
			err = errReply
		}
	case history.Add, history.Enqueue:
		if r.kind != ':' {
			err = errReply
		}
	case history.ReadSet:
		err = c.elements(op, r)
	case history.CAS:
		if r.kind == '*' {
			return c.compareFailed(op, r)
		}
		if r.kind != ':' || r.n != 1 {
			err = errReply
		}
	}
	if err == nil {
		op.Outcome = history.OK
	}
	return err
}

// elements reads the members of a set.
func (c *Client) elements(op *history.Op, r reply) error {
	if r.kind != '*' {
		return errReply
	}
	op.Elements = op.Elements[:0]
	for range r.n {
		e, err := c.in.reply()
		if err != nil {
			return err
		}
		v, err := e.value()
		if err != nil || e.null {
			return errReply
		}
		op.Elements = append(op.Elements, v)
	}
	return nil
}

// compareFailed reads the two elements of a failed comparison's answer: 0 and
// the current value.
func (c *Client) compareFailed(op *history.Op, r reply) error {
	if r.n != 2 {
		return errReply
	}
	if zero, err := c.in.reply(); err != nil || zero.kind != ':' || zero.n != 0 {
		return errors.Join(errReply, err)
	}
	current, err := c.in.reply()
	if err != nil {
		return err
	}
	if op.Observed, err = current.value(); err != nil {
		return err
	}
	op.Flags |= history.Seen
	op.Outcome, op.Error = history.Fail, history.ErrCompare
	return nil
}

// refusals is the table of the errors that prove that nothing happened.
var refusals = []struct {
	prefix string
	err    history.Error
}{
	{"NOTPRIMARY", history.ErrNotPrimary},
	{"NOQUORUM", history.ErrNoQuorum},
	{"BUSY", history.ErrBusy},
	{"WRONGTYPE", history.ErrServer},
}

// classify tells what a server's error says of the operation. Every error that
// is not in the table leaves it unknown.
func classify(text string) (history.Outcome, history.Error) {
	for _, r := range refusals {
		if rest, ok := strings.CutPrefix(text, r.prefix); ok && (rest == "" || rest[0] == ' ') {
			return history.Fail, r.err
		}
	}
	return history.Unknown, history.ErrServer
}
