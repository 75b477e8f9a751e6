package ripple

import (
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/targets/kit/resp"
)

// pipelined are the operations that are one request: all but the drain.
var pipelined = []history.Kind{history.Read, history.Write, history.CAS, history.Add, history.ReadSet, history.Scan,
	history.Enqueue, history.Dequeue}

var _ targets.Pipeliner = (*Client)(nil)

// Pipe implements targets.Pipeliner.
func (c *Client) Pipe(depth int) targets.Pipe {
	codec := &codec{c}
	p := kit.NewPipe(c.conn, c.timeout, depth, codec)
	c.in = resp.NewReader(p)
	return p
}

// codec is a client's way to write and to read, each used by one goroutine.
type codec struct{ *Client }

// Encode implements kit.Codec.
func (c *codec) Encode(b []byte, op *history.Op) ([]byte, bool) {
	if op.Kind == history.Dequeue {
		op.Value, op.Elements = history.Nil, op.Elements[:0]
	}
	c.out = b
	if op.Kind == history.Drain || !c.encode(op) {
		kit.Refuse(op, history.ErrServer)
		return b, false
	}
	return c.out, true
}

// Answer implements kit.Codec.
func (c *codec) Answer(op *history.Op) error { return c.answer(op) }

// Buffered implements kit.Codec.
func (c *codec) Buffered() bool { return c.in.Buffered() }
