package ripple

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/targets/kit/resp"
)

// Client is one connection. An operation allocates nothing, but for growing
// the elements of a set read or a drain.
type Client struct {
	conn    net.Conn
	timeout time.Duration
	out     []byte
	scratch [20]byte
	values  payload.Table
	long    []byte // of a value that is more than its number
	in      resp.Reader
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
	c := newClient(conn, kit.OpTimeout(o))
	c.values = o.Values
	return c, nil
}

func newClient(conn net.Conn, timeout time.Duration) *Client {
	return &Client{conn: conn, timeout: timeout, in: resp.NewReader(conn)}
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
	if op.Kind == history.Dequeue || op.Kind == history.Drain {
		op.Value, op.Elements = history.Nil, op.Elements[:0]
	}
	if !kit.Begin(op, c.broken) {
		return
	}
	if c.out = c.out[:0]; !c.encode(op) {
		kit.Refuse(op, history.ErrServer)
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
		c.dropConn(op, err)
		return
	}
	if err := c.answer(op); err != nil {
		c.dropConn(op, err)
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
			kit.Refuse(op, history.ErrTimeout)
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

// dropConn ends op by an error of the connection, which is of no more use.
func (c *Client) dropConn(op *history.Op, err error) {
	c.broken = true
	kit.DoubtConn(op, err)
}

// encode appends the command of op to c.out; false if there is none, and nothing
// is sent then.
func (c *Client) encode(op *history.Op) bool {
	primary := op.Flags&history.FromPrimary != 0
	switch op.Kind {
	case history.Read:
		c.command(2, pick(primary, "PGET", "GET"), op)
	case history.Poll:
		c.command(2, pick(primary, "PGET", "GET"), op)
	case history.Scan:
		c.span(pick(primary, "PRANGE", "RANGE"), op)
	case history.ReadSet:
		c.command(2, pick(primary, "PSMEMBERS", "SMEMBERS"), op)
	case history.Write:
		c.command(3, "SET", op)
		c.value(op, op.Value)
	case history.Mark:
		c.command(3, "SET", op)
		c.value(op, op.Value)
	case history.Add:
		c.command(3, "SADD", op)
		c.value(op, op.Value)
	case history.Enqueue:
		c.command(3, "RPUSH", op)
		c.value(op, op.Value)
	case history.Dequeue, history.Drain:
		c.command(2, "LPOP", op)
	case history.CAS:
		c.command(4, "CAS", op)
		c.value(op, op.Old)
		c.value(op, op.Value)
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
func (c *Client) command(n int, name string, op *history.Op) {
	c.out = redcon.AppendArray(c.out, n)
	c.out = redcon.AppendBulkString(c.out, name)
	c.out = redcon.AppendBulk(c.out, kit.AppendKey(c.scratch[:0], op))
}

// span is the command of a scan: a prefix, the number of the first key and how many.
func (c *Client) span(name string, op *history.Op) {
	c.out = redcon.AppendArray(c.out, 4)
	c.out = redcon.AppendBulkString(c.out, name)
	key, number := kit.AppendKey(c.scratch[:0], op), strconv.FormatUint(uint64(op.Key), 10)
	c.out = redcon.AppendBulk(c.out, key[:len(key)-len(number)])
	c.out = redcon.AppendBulkString(c.out, number)
	c.out = redcon.AppendBulk(c.out, strconv.AppendInt(c.scratch[:0], op.Old, 10))
}

func (c *Client) value(op *history.Op, v int64) {
	if p := c.values.Of(op); p != nil && v > history.Torn {
		c.long = p.Append(c.long[:0], v)
		c.out = redcon.AppendBulk(c.out, c.long)
		return
	}
	c.out = redcon.AppendBulk(c.out, strconv.AppendInt(c.scratch[:0], v, 10))
}

// answer reads the reply to op; an error means that the connection is of no
// more use.
func (c *Client) answer(op *history.Op) error {
	r, err := c.in.Next()
	if err != nil {
		return err
	}
	if r.Kind == '-' {
		op.Outcome, op.Error = classify(string(r.Text))
		return nil
	}
	p := c.values.Of(op)
	switch op.Kind {
	case history.Read, history.Poll:
		op.Value, err = r.Value(p)
	case history.Dequeue:
		var v int64
		if v, err = r.Value(p); err == nil {
			op.Value = v
		}
	case history.Write, history.Mark:
		if r.Kind != '+' {
			err = resp.ErrReply
		}
	case history.Add, history.Enqueue:
		if r.Kind != ':' {
			err = resp.ErrReply
		}
	case history.ReadSet, history.Scan:
		err = c.elements(op, r)
	case history.CAS:
		if r.Kind == '*' {
			return c.compareFailed(op, r)
		}
		if r.Kind != ':' || r.N != 1 {
			err = resp.ErrReply
		}
	}
	if err == nil {
		op.Outcome = history.OK
	}
	return err
}

// elements reads the members of a set, or what a scan found of each key.
func (c *Client) elements(op *history.Op, r resp.Reply) error {
	scan := op.Kind == history.Scan
	if scan && r.N != op.Old {
		return resp.ErrReply
	}
	return c.in.Elements(op, r, c.values.Of(op), scan)
}

// compareFailed reads the answer of a failed comparison.
func (c *Client) compareFailed(op *history.Op, r resp.Reply) error {
	err := c.in.Observed(op, r, c.values.Of(op))
	if err == nil {
		kit.Refuse(op, history.ErrCompare)
	}
	return err
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
