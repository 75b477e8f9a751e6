package kit

import (
	"math/bits"
	"net"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// Codec is what a protocol that answers in the order of its requests has for a
// Pipe. Encode and Answer are called by two goroutines.
type Codec interface {
	// Encode appends the request of op; it is false, with the outcome set, if
	// there is none.
	Encode(b []byte, op *history.Op) (_ []byte, ok bool)
	// Answer reads the answer to op, from the Pipe, and sets the outcome. After an
	// error the connection is of no more use, and op is in doubt if it is Unknown
	// without an Error.
	Answer(op *history.Op) error
	// Buffered tells whether bytes of the next answer have been read already.
	Buffered() bool
}

// Pipe is a targets.Pipe over a connection whose answers come in order. It
// allocates nothing for an operation.
type Pipe struct {
	conn    net.Conn
	timeout time.Duration
	codec   Codec

	out     []byte // requests that are to be sent
	started []underWay
	closed  bool

	// What was sent and has no answer yet: the sender writes behind head, the goroutine
	// that receives reads from tail on. A number in sent hands as many over, and comes
	// after they were written. A place is written again only when its operation was
	// told to have ended, as at most depth are under way.
	ring       []underWay // a power of two
	head, tail uint
	sent       chan int
	left       int       // of what was handed over
	bound      time.Time // of reads; of the receiver alone
	until      time.Time
}

// underWay is an operation whose answer is to come.
type underWay struct {
	op       *history.Op
	tag      int32
	end      int // of its request in out
	deadline time.Time
}

// NewPipe is a pipe of up to depth operations on conn, each with so much time.
// The codec has to read from the Pipe.
func NewPipe(conn net.Conn, timeout time.Duration, depth int, codec Codec) *Pipe {
	return &Pipe{conn: conn, timeout: timeout, codec: codec, started: make([]underWay, 0, depth),
		ring: make([]underWay, 1<<bits.Len(uint(depth))), sent: make(chan int, depth)}
}

// Start implements targets.Pipe.
func (p *Pipe) Start(op *history.Op, tag int32) bool {
	if !Begin(op, p.closed) {
		return false
	}
	out, ok := p.codec.Encode(p.out, op)
	if !ok {
		return false
	}
	p.out = out
	p.started = append(p.started, underWay{op: op, tag: tag, end: len(out)})
	return true
}

// Flush implements targets.Pipe. An operation of which some bytes were written
// counts as sent.
func (p *Pipe) Flush() (unsent int, err error) {
	deadline, n := time.Now().Add(p.timeout), 0
	if err = p.conn.SetWriteDeadline(deadline); err == nil {
		n, err = p.conn.Write(p.out)
	}
	begin, handed := 0, 0
	for i := range p.started {
		u := &p.started[i]
		if err != nil && begin >= n {
			unsent++
		} else {
			u.deadline = deadline
			p.ring[p.head&uint(len(p.ring)-1)] = *u
			p.head++
			handed++
		}
		begin = u.end
	}
	if handed > 0 {
		p.sent <- handed // there is room: each stands for operations that are under way
	}
	p.out, p.started = p.out[:0], p.started[:0]
	return unsent, err
}

// Receive implements targets.Pipe.
func (p *Pipe) Receive(tags []int32) ([]int32, bool) {
	if p.left == 0 {
		p.left = <-p.sent
	}
	for p.left > 0 {
		u := p.ring[p.tail&uint(len(p.ring)-1)]
		p.tail, p.left = p.tail+1, p.left-1
		p.until = u.deadline
		err := p.codec.Answer(u.op)
		if err != nil && u.op.Outcome == history.Unknown && u.op.Error == history.ErrNone {
			DoubtConn(u.op, err)
		}
		if tags = append(tags, u.tag); err != nil {
			return tags, false
		}
		if !p.codec.Buffered() {
			return tags, true
		}
		if p.left == 0 {
			select {
			case p.left = <-p.sent: // 0: it is closed
			default:
				return tags, true
			}
		}
	}
	return tags, false
}

// Read reads from the connection until the deadline of the operation whose answer
// is awaited. It is for the codec.
func (p *Pipe) Read(b []byte) (int, error) {
	if p.bound != p.until {
		if err := p.conn.SetReadDeadline(p.until); err != nil {
			return 0, err
		}
		p.bound = p.until
	}
	return p.conn.Read(b)
}

// Close implements targets.Pipe.
func (p *Pipe) Close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	err := p.conn.Close()
	close(p.sent)
	return err
}
