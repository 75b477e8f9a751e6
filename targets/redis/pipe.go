package redis

import (
	"fmt"
	"strconv"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/targets/kit/resp"
)

// pipelined are the operations that are one request, or several that the server
// takes as one (a MULTI, a script, a write and the WAIT behind it).
var pipelined = []history.Kind{history.Read, history.Write, history.CAS, history.Add, history.ReadSet, history.Enqueue, history.Increment, history.Generate}

var _ targets.Pipeliner = (*Client)(nil)

// Pipe implements targets.Pipeliner. The WAIT of one operation holds up those
// behind it on the server.
func (c *Client) Pipe(depth int) targets.Pipe {
	codec := &codec{Client: c}
	p := kit.NewPipe(c.wire.Conn, c.timeout, depth, codec)
	codec.in = resp.NewReader(p)
	return p
}

// codec writes requests and reads answers, each in one goroutine. It allocates
// nothing for an operation but what the elements of sets need.
type codec struct {
	*Client
	number [20]byte
	in     resp.Reader
}

// words are the beginnings of the commands of a kind, up to the key, and expiring those
// of what is written to expire.
var (
	words = beginnings(map[history.Kind][]string{
		history.Poll: {"2", "GET"}, history.Mark: {"3", "SET"},
		history.Read: {"2", "GET"}, history.ReadSet: {"2", "SMEMBERS"}, history.Write: {"3", "SET"}, history.Add: {"3", "SADD"},
		history.Enqueue: {"3", "RPUSH"}, history.Increment: {"3", "INCRBY"}, history.Generate: {"2", "INCR"}, history.CAS: {"6", "EVAL", compareAndSet, "1"},
	})
	expiring = beginnings(map[history.Kind][]string{history.Write: {"5", "SET"}, history.CAS: {"7", "EVAL", compareAndSet, "1"}})
)

func beginnings(commands map[history.Kind][]string) (all [history.Kinds][]byte) {
	for kind, w := range commands {
		n, _ := strconv.Atoi(w[0])
		all[kind] = resp.AppendArray(nil, n)
		for _, word := range w[1:] {
			all[kind] = resp.AppendWord(all[kind], word)
		}
	}
	return all
}

// isSingle tells whether an operation is one request.
func isSingle(kind history.Kind) bool { return int(kind) < len(words) && words[kind] != nil }

// askRole and execute are around a read that only a primary is to answer.
var (
	askRole = append(command1("MULTI"), command1("ROLE")...)
	execute = command1("EXEC")
)

func command1(word string) []byte { return resp.AppendWord(resp.AppendArray(nil, 1), word) }

// isRead tells whether an operation changes nothing.
func isRead(kind history.Kind) bool {
	return kind == history.Read || kind == history.ReadSet || kind == history.Poll
}

// asksRole tells whether an operation is a read that only a primary is to answer: the
// role is asked in the same transaction. (A command that replicas refuse, such as GETEX,
// would be refused by a primary too that lacks its replicas.)
func asksRole(op *history.Op) bool { return op.Flags&history.FromPrimary != 0 && isRead(op.Kind) }

// Encode implements kit.Codec.
func (c *codec) Encode(b []byte, op *history.Op) ([]byte, bool) {
	if !isSingle(op.Kind) {
		kit.Refuse(op, history.ErrServer)
		return b, false
	}
	asks, p := asksRole(op), c.values.Of(op)
	if asks {
		b = append(b, askRole...)
	}
	c.key = c.appendKey(c.key[:0], op)
	begin, expires := words[op.Kind], c.expire != nil && expiring[op.Kind] != nil
	if expires {
		begin = expiring[op.Kind]
	}
	b = resp.AppendWord(append(b, begin...), c.key)
	switch op.Kind {
	case history.CAS:
		if c.old = c.old[:0]; op.Old != history.Nil {
			c.old = p.Append(c.old, op.Old)
		}
		b = resp.AppendWord(b, c.old)
		fallthrough
	case history.Write, history.Mark, history.Add, history.Enqueue:
		c.text = p.Append(c.text[:0], op.Value)
		b = resp.AppendWord(b, c.text)
	case history.Increment:
		b = resp.AppendWord(b, strconv.AppendInt(c.number[:0], op.Value, 10))
	}
	if expires {
		if op.Kind == history.Write {
			b = resp.AppendWord(b, "PX")
		}
		b = resp.AppendWord(b, c.expire)
	}
	if asks {
		b = append(b, execute...)
	}
	if c.waits(op) {
		b = resp.AppendWord(resp.AppendArray(b, 3), "WAIT")
		b = resp.AppendWord(b, strconv.AppendInt(c.number[:0], int64(c.wait), 10))
		b = resp.AppendWord(b, strconv.AppendInt(c.number[:0], c.waitTimeout.Milliseconds(), 10))
	}
	return b, true
}

// waits tells whether a WAIT follows an operation.
func (c *codec) waits(op *history.Op) bool {
	return c.wait > 0 && !isRead(op.Kind)
}

// Buffered implements kit.Codec.
func (c *codec) Buffered() bool { return c.in.Buffered() }

// Answer implements kit.Codec.
func (c *codec) Answer(op *history.Op) error {
	if asksRole(op) {
		return c.fromPrimary(op)
	}
	before := op.Value
	done, err := c.result(op)
	if err != nil || !c.waits(op) {
		return err
	}
	err = c.confirmed(op, done)
	if op.Kind == history.Generate && op.Outcome != history.OK {
		op.Value = before // nobody was given it
	}
	return err
}

// confirmed reads the answer to a WAIT behind a command that was done, or was not.
func (c *codec) confirmed(op *history.Op, done bool) error {
	r, err := c.in.Next()
	switch {
	case err != nil:
		return err
	case !done: // the command was refused, or its comparison failed
	case r.Kind == '-':
		kit.Doubt(op, history.ErrServer)
	case r.Kind != ':':
		return resp.ErrReply
	case r.N < int64(c.wait):
		kit.Doubt(op, history.ErrNoQuorum)
	default:
		op.Outcome = history.OK
	}
	return nil
}

// result reads the answer to a command. It is done if the server executed it; it
// is then OK, unless a WAIT has the last word.
func (c *codec) result(op *history.Op) (done bool, err error) {
	r, err := c.in.Next()
	if err != nil {
		return false, err
	}
	if r.Kind == '-' {
		op.Outcome, op.Error = classify(string(r.Text))
		return false, nil
	}
	kind := byte(':')
	switch op.Kind {
	case history.Read, history.Poll:
		op.Value, err = r.Value(c.values.Of(op))
		kind = r.Kind
	case history.ReadSet:
		err = c.in.Elements(op, r, c.values.Of(op), false)
		kind = r.Kind
	case history.Write, history.Mark:
		if kind = '+'; string(r.Text) != "OK" {
			err = resp.ErrReply
		}
	case history.Generate:
		op.Value = r.N
	case history.CAS:
		if r.Kind == '*' {
			return false, c.compareFailed(op, r)
		}
		if r.N != 1 {
			err = resp.ErrReply
		}
	}
	if err == nil && r.Kind != kind {
		err = fmt.Errorf("%w to %s", resp.ErrReply, op.Kind)
	}
	if err != nil {
		return false, err
	}
	if !c.waits(op) {
		op.Outcome = history.OK
	}
	return true, nil
}

// fromPrimary reads the answers to a read and to the question for the role, in one
// transaction.
func (c *codec) fromPrimary(op *history.Op) error {
	refused := false
	for range 3 { // the answers to all but EXEC
		r, err := c.in.Next()
		if err != nil {
			return err
		}
		if r.Kind == '-' && !refused {
			refused = true
			op.Outcome, op.Error = classify(string(r.Text))
		}
	}
	r, err := c.in.Next()
	switch {
	case err != nil:
		return err
	case refused: // EXEC only says that there was a refusal
		return c.skip(r)
	case r.Kind == '-':
		op.Outcome, op.Error = classify(string(r.Text))
		return nil
	case r.Kind != '*' || r.N != 2:
		return fmt.Errorf("%w to EXEC", resp.ErrReply)
	}
	primary, err := c.role()
	if err != nil {
		return err
	}
	done, err := c.result(op)
	if err == nil && done && !primary {
		kit.Refuse(op, history.ErrNotPrimary)
	}
	return err
}

// role reads the answer to ROLE: its first word, and then what depends on that.
func (c *codec) role() (primary bool, err error) {
	r, err := c.in.Next()
	if err != nil || r.Kind != '*' || r.N < 1 {
		return false, fmt.Errorf("%w to ROLE", orReply(err))
	}
	for i := range r.N {
		word, err := c.in.Next()
		if err != nil {
			return false, err
		}
		if i == 0 {
			primary = word.Kind == '$' && string(word.Text) == "master"
			continue
		}
		if err := c.skip(word); err != nil {
			return false, err
		}
	}
	return primary, nil
}

func orReply(err error) error {
	if err == nil {
		return resp.ErrReply
	}
	return err
}

// skip passes over the elements of an answer.
func (c *codec) skip(r resp.Reply) error {
	if r.Kind != '*' {
		return nil
	}
	for range r.N {
		e, err := c.in.Next()
		if err == nil {
			err = c.skip(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compareFailed reads what a script says whose comparison failed.
func (c *codec) compareFailed(op *history.Op, r resp.Reply) error {
	err := c.in.Observed(op, r, c.values.Of(op))
	if err == nil {
		kit.Refuse(op, history.ErrCompare)
	}
	return err
}
