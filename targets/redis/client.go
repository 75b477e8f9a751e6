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
	return &Client{conn: redigo.NewConn(w, 0, 0), wire: w, timeout: timeout, wait: s.wait, waitTimeout: s.waitTimeout, expire: s.expire,
		consumer: strconv.FormatUint(s.consumers.Add(1), 10), prefix: s.prefix}
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
	c.key, c.payload = c.appendKey(c.key[:0], op), c.values.Of(op)
	switch op.Kind {
	case history.Read, history.Poll, history.ReadSet:
		c.read(op)
	case history.Write, history.Mark:
		if c.expire != nil && op.Kind == history.Write {
			c.change(op, isOK, "SET", c.key, c.value(op.Value), "PX", c.expire)
			return
		}
		c.change(op, isOK, "SET", c.key, c.value(op.Value))
	case history.Add:
		c.change(op, isNumber, "SADD", c.key, c.value(op.Value))
	case history.Enqueue:
		c.change(op, isNumber, "RPUSH", c.key, c.value(op.Value))
	case history.CAS:
		c.compareAndSet(op)
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
	case history.Increment:
		c.change(op, isNumber, "INCRBY", c.key, op.Value)
	case history.Generate:
		c.generate(op)
	default:
		kit.Refuse(op, history.ErrServer) // nothing is sent
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

func isOK(reply any) bool { return reply == "OK" }

func isNumber(reply any) bool { _, ok := reply.(int64); return ok }

// change sends a command that writes and, behind it, WAIT.
func (c *Client) change(op *history.Op, good func(any) bool, command string, args ...any) {
	reply, confirmed, err := c.write(command, args...)
	switch {
	case err != nil:
		c.failed(op, err)
	case !good(reply):
		c.dropConn(op, errReply)
	default:
		c.acknowledge(op, confirmed)
	}
}

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

// compareAndSet compares and sets in one script.
func (c *Client) compareAndSet(op *history.Op) {
	c.old = c.old[:0]
	if op.Old != history.Nil {
		c.old = c.payload.Append(c.old, op.Old)
	}
	args := []any{compareAndSet, 1, c.key, c.old, c.value(op.Value)}
	if c.expire != nil {
		args = append(args, c.expire)
	}
	reply, confirmed, err := c.write("EVAL", args...)
	if err != nil {
		c.failed(op, err)
		return
	}
	if reply == int64(1) {
		c.acknowledge(op, confirmed)
		return
	}
	answer, ok := reply.([]any)
	if !ok || len(answer) != 2 || answer[0] != int64(0) {
		c.dropConn(op, errReply)
		return
	}
	current, err := c.number(answer[1])
	if err != nil {
		c.dropConn(op, err)
		return
	}
	op.Observed = current
	op.Flags |= history.Seen
	kit.Refuse(op, history.ErrCompare)
}

// value is the text of a value, which is valid until the next one is made.
func (c *Client) value(v int64) []byte {
	c.text = c.payload.Append(c.text[:0], v)
	return c.text
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
