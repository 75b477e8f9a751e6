package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/targets/kit/resp"
)

// compareAndSet is the script of a CAS. Its first line says that it writes, so
// that a replica refuses it whole instead of comparing with an older state.
// What it does not find equal it answers.
const compareAndSet = `#!lua
local v = redis.call('GET', KEYS[1])
if (v or '') == ARGV[1] then
  if ARGV[3] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) else redis.call('SET', KEYS[1], ARGV[2]) end
  return 1
end
return {0, v}
`

// errReply is the error of an answer that the command does not have.
var errReply = errors.New("unexpected reply")

// Client is one connection.
type Client struct {
	conn        redigo.Conn
	wire        wire
	timeout     time.Duration
	wait        int // replicas to WAIT for after a write
	waitTimeout time.Duration
	expire      []byte         // of a register's value, in milliseconds as they are sent; nil: it stays
	consumer    string         // ending of this connection's processing lists
	made        *atomic.Uint64 // how many consumers there have been; nil: the server knows, all of its keys are the run's
	prefix      []byte         // of all keys; none where all of the server is the run's own
	key         []byte
	values      payload.Table
	payload     *payload.Payload // of the operation under way
	text, old   []byte           // its values as they are sent
	single      *codec           // of calls that are one request
	out         []byte           // such a request
	broken      bool
}

var _ targets.Client = (*Client)(nil)

// Connect opens a connection to a node's server over the clients' network.
func (s *servers) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	ctx, dial, cancel := kit.Connecting(ctx, o)
	defer cancel()
	conn, err := dial(ctx, "tcp", kit.ServerAddress(n, serverPort))
	if err != nil {
		return nil, fmt.Errorf("connect to redis on %s: %w", n.Name, err)
	}
	return s.client(conn, o), nil
}

// client is a connection of a System, which has logged in.
func (s *servers) client(conn net.Conn, o targets.ClientOptions) *Client {
	c := s.newClient(conn, kit.OpTimeout(o))
	c.values = o.Values
	return c
}

func (s *servers) newClient(conn net.Conn, timeout time.Duration) *Client {
	w := wire{conn}
	c := &Client{conn: redigo.NewConn(w, 0, 0), wire: w, timeout: timeout, wait: s.wait, waitTimeout: s.waitTimeout, expire: s.expire,
		consumer: strconv.FormatUint(s.consumers.Add(1), 10), prefix: s.prefix}
	c.single = &codec{Client: c, in: resp.NewReader(w)}
	return c
}

// appendKey appends the name of op's key.
func (c *Client) appendKey(b []byte, op *history.Op) []byte {
	return kit.AppendKey(append(b, c.prefix...), op)
}

// keyOf is the name of another key of op's workload and kind.
func (c *Client) keyOf(op *history.Op, key uint32) []byte {
	return append(append([]byte(nil), c.prefix...), kit.KeyOf(op, key)...)
}

// Broken reports whether the connection is of no more use.
func (c *Client) Broken() bool { return c.broken }

// Close closes the connection.
func (c *Client) Close() error {
	c.broken = true
	return c.conn.Close()
}

// Do makes one call: one command, or two where the second acknowledges what
// the first received. A write is OK once the server answered it and, if the
// client WAITs, enough replicas have confirmed it.
func (c *Client) Do(ctx context.Context, op *history.Op) {
	if !kit.Begin(op, c.broken) {
		return
	}
	deadline := kit.Deadline(ctx, c.timeout)
	if err := c.wire.until(deadline); err != nil {
		c.dropConn(op, err)
		return
	}
	if isSingle(op.Kind) {
		c.one(op)
		return
	}
	c.key, c.payload = c.appendKey(c.key[:0], op), c.values.Of(op)
	switch op.Kind {
	case history.Dequeue:
		c.dequeue(op)
	case history.Drain:
		c.drain(op, deadline)
	case history.Txn:
		c.lists(op)
	case history.Transfer:
		c.transfer(op)
	case history.Balances:
		c.balances(op)
	default:
		kit.Refuse(op, history.ErrServer) // nothing is sent
	}
}

// one makes a call that is one request, and allocates nothing for it. What redigo reads
// from the connection it has read to the end, and so has this.
func (c *Client) one(op *history.Op) {
	out, ok := c.single.Encode(c.out[:0], op)
	if c.out = out; !ok {
		return
	}
	if _, err := c.wire.Write(out); err != nil {
		c.dropConn(op, err)
		return
	}
	if err := c.single.Answer(op); err != nil {
		c.broken = true
		if op.Outcome == history.Unknown && op.Error == history.ErrNone {
			kit.DoubtConn(op, err)
		}
	}
}

// dropConn ends op by an error of the connection, which is of no more use.
func (c *Client) dropConn(op *history.Op, err error) {
	c.broken = true
	kit.DoubtConn(op, err)
}

// failed ends op by an error of one of its calls: by the server's word, or as
// unknown when the connection failed.
func (c *Client) failed(op *history.Op, err error) {
	var said redigo.Error
	if !errors.As(err, &said) {
		c.dropConn(op, err)
		return
	}
	op.Outcome, op.Error = classify(string(said))
}

// call makes one call.
func (c *Client) call(command string, args ...any) (any, error) {
	reply, err := c.conn.Do(command, args...)
	if err != nil && c.conn.Err() != nil {
		c.broken = true
	}
	return reply, err
}

func isNumber(reply any) bool { _, ok := reply.(int64); return ok }

// write sends a command and, behind it, WAIT. The error is the command's: what
// comes of the WAIT, also that its answer never came, is in confirmed, nil when
// enough replicas confirmed the write.
func (c *Client) write(command string, args ...any) (reply any, confirmed, err error) {
	if c.wait == 0 {
		reply, err = c.call(command, args...)
		return reply, nil, err
	}
	if err = c.conn.Send(command, args...); err != nil {
		return nil, nil, err
	}
	if err = c.conn.Send("WAIT", c.wait, c.waitTimeout.Milliseconds()); err != nil {
		return nil, nil, err
	}
	if err = c.conn.Flush(); err != nil {
		return nil, nil, err
	}
	reply, err = c.conn.Receive()
	if err != nil && c.conn.Err() != nil {
		return nil, nil, err
	}
	n, waited := redigo.Int(c.conn.Receive())
	if waited == nil && n < c.wait {
		waited = errTooFew
	}
	if c.conn.Err() != nil {
		c.broken = true
	}
	return reply, waited, err
}

// errTooFew is the result of a WAIT that ended with fewer replicas than asked
// for. The write has been executed all the same.
var errTooFew = errors.New("too few replicas confirmed the write")

// acknowledge ends a write that the server has executed.
func (c *Client) acknowledge(op *history.Op, confirmed error) {
	var said redigo.Error
	switch {
	case confirmed == nil:
		op.Outcome = history.OK
	case errors.Is(confirmed, errTooFew):
		kit.Doubt(op, history.ErrNoQuorum)
	case errors.As(confirmed, &said):
		kit.Doubt(op, history.ErrServer)
	default:
		c.dropConn(op, confirmed)
	}
}

// number is that of a stored value, or history.Nil for a missing one.
func (c *Client) number(reply any) (int64, error) {
	switch v := reply.(type) {
	case nil:
		return history.Nil, nil
	case []byte:
		n, err := c.payload.Parse(v)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errReply, err)
		}
		return n, nil
	}
	return 0, errReply
}

// numbers appends those of a list to another one.
func (c *Client) numbers(list []int64, reply any) ([]int64, error) {
	members, ok := reply.([]any)
	if !ok {
		return list, errReply
	}
	for _, m := range members {
		v, err := c.number(m)
		if err != nil || m == nil {
			return list, errReply
		}
		list = append(list, v)
	}
	return list, nil
}
