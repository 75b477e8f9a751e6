package postgres

import (
	"errors"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// pipelined are the operations that are one statement. Each is a transaction of its
// own in a pipeline too: a Sync stands behind each.
var pipelined = []history.Kind{history.Read, history.Write, history.CAS, history.Add, history.ReadSet, history.Scan}

var _ targets.Pipeliner = (*Client)(nil)

// Pipe implements targets.Pipeliner.
func (c *Client) Pipe(depth int) targets.Pipe {
	codec := &codec{send: newClient(&session{}, c.timeout), receive: newClient(&session{}, c.timeout)}
	codec.send.values, codec.receive.values = c.values, c.values
	codec.send.sql, codec.receive.sql = c.sql, c.sql
	codec.pooled.Store(c.pooled)
	for form := range c.prepared {
		for kind, known := range c.prepared[form] {
			codec.statements[form][kind].ready.Store(known)
		}
	}
	p := kit.NewPipe(c.session.conn, c.timeout, depth, codec)
	codec.send.session.front = pgproto3.NewFrontend(nil, (*sink)(codec))
	codec.receive.session.front = pgproto3.NewFrontend(p, nil)
	return p
}

// codec is a client that sends and one that receives, each used by one goroutine.
type codec struct {
	send, receive *Client
	out           []byte
	statements    [forms][history.Kinds]preparing
	pooled        atomic.Bool // as of Client
}

// preparing is what is known of a prepared statement. The first operation that
// needs it prepares it; those that follow before the server has answered have
// statements without a name, so that none depends on what becomes of another.
type preparing struct {
	by    atomic.Pointer[history.Op] // the operation under way that prepares it
	ready atomic.Bool                // set before by is cleared
}

// sink takes what the sending client flushes.
type sink codec

func (s *sink) Write(b []byte) (int, error) {
	s.out = append(s.out, b...)
	return len(b), nil
}

// Encode implements kit.Codec.
func (c *codec) Encode(b []byte, op *history.Op) ([]byte, bool) {
	if c.send.sql.find(op.Kind) == nil || kit.IsTxn(op.Kind) {
		kit.Refuse(op, history.ErrServer)
		return b, false
	}
	c.send.pooled = c.pooled.Load()
	form := formOf(c.send.values.Of(op))
	st := &c.statements[form][op.Kind]
	by := st.by.Load() // before ready, see preparing
	ready := st.ready.Load()
	c.send.prepared[form][op.Kind], c.send.unnamed = ready, !ready && by != nil
	if !ready && by == nil {
		st.by.Store(op)
	}
	c.send.send(op)
	c.out = b
	if err := c.send.session.front.Flush(); err != nil {
		st.by.CompareAndSwap(op, nil)
		kit.Refuse(op, history.ErrServer) // it cannot be written in the protocol
		return b, false
	}
	return c.out, true
}

// errEnded is that the server ends the connection.
var errEnded = errors.New("the server has ended the connection")

// Answer implements kit.Codec.
func (c *codec) Answer(op *history.Op) error {
	form := formOf(c.receive.values.Of(op))
	st := &c.statements[form][op.Kind]
	asked := st.by.Load() == op
	c.receive.prepared[form][op.Kind] = false
	err := c.receive.answer(op)
	if c.receive.pooled {
		c.pooled.Store(true)
	}
	if asked {
		st.ready.Store(c.receive.prepared[form][op.Kind])
		st.by.Store(nil)
	}
	if err == nil && c.receive.broken {
		err = errEnded
	}
	return err
}

// Buffered implements kit.Codec.
func (c *codec) Buffered() bool { return c.receive.session.front.ReadBufferLen() > 0 }
