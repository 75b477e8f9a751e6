package nats

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	driver "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// pipelined are the operations that are one request.
var pipelined = []history.Kind{history.Read, history.Write, history.Add, history.Enqueue}

var _ targets.Pipeliner = (*Client)(nil)

// Pipe implements targets.Pipeliner.
func (c *Client) Pipe(depth int) targets.Pipe {
	p := &pipe{Client: c, inbox: c.conn.NewRespInbox() + ".", under: make([]underWay, depth), answers: make(chan *driver.Msg, 2*depth),
		news: make(chan struct{}, 1), ended: make(chan struct{})}
	p.end = sync.OnceFunc(func() { close(p.ended) })
	c.conn.SetClosedHandler(func(*driver.Conn) { p.end() })
	if c.conn.IsClosed() { // before there was a handler
		p.end()
	}
	if _, err := c.conn.ChanSubscribe(p.inbox+"*", p.answers); err != nil {
		_ = p.Close() // every operation is refused then
	}
	return p
}

// pipe is a connection with several requests under way. Each has a subject of its
// own for its answer: they come in any order, and one that comes too late is dropped.
type pipe struct {
	*Client
	inbox   string // beginning of those subjects
	answers chan *driver.Msg
	news    chan struct{} // something was sent while nothing was under way
	ended   chan struct{} // the connection is closed
	end     func()        // closes ended
	timer   *time.Timer

	mu    sync.Mutex
	under []underWay // by tag
	order []turn     // as they were sent; those that were answered stay until they are first
	sent  int        // of order, how many were flushed
}

// underWay is a request whose answer is to come.
type underWay struct {
	op     *history.Op // nil: there is none
	number uint64      // of all requests with its tag
}

// turn is one request's place in time.
type turn struct {
	tag      int32
	number   uint64
	deadline time.Time
}

// Start implements targets.Pipe.
func (p *pipe) Start(op *history.Op, tag int32) bool {
	if !kit.Begin(op, p.Broken()) {
		return false
	}
	subject, data := p.request(op)
	if subject == "" {
		kit.Refuse(op, history.ErrServer)
		return false
	}
	p.mu.Lock()
	u := &p.under[tag]
	u.op, u.number = op, u.number+1
	number := u.number
	p.order = append(p.order, turn{tag: tag, number: number})
	p.mu.Unlock()
	reply := p.inbox + strconv.Itoa(int(tag)) + "-" + strconv.FormatUint(number, 10)
	if err := p.conn.PublishRequest(subject, reply, data); err != nil {
		p.mu.Lock()
		u.op, p.order = nil, p.order[:len(p.order)-1]
		p.mu.Unlock()
		op.Outcome, op.Error = classify(err)
		return false
	}
	return true
}

// request is the subject and the data of an operation; no subject: there is none.
func (p *pipe) request(op *history.Op) (subject string, data []byte) {
	switch op.Kind {
	case history.Read:
		if p.system.direct {
			return "$JS.API.DIRECT.GET." + p.system.bucket + "." + p.bucketKey(op), nil
		}
		return "$JS.API.STREAM.MSG.GET." + p.system.bucket, fmt.Appendf(nil, `{"last_by_subj":%q}`, p.bucketKey(op))
	case history.Write:
		return p.bucketKey(op), p.values.Of(op).Append(nil, op.Value)
	case history.Add:
		return p.elementKey(op), p.values.Of(op).Append(nil, op.Value)
	case history.Enqueue:
		return p.queueKey(op), p.values.Of(op).Append(nil, op.Value)
	}
	return "", nil
}

// Flush implements targets.Pipe. The library's own goroutine writes.
func (p *pipe) Flush() (unsent int, err error) {
	deadline := time.Now().Add(p.timeout)
	p.mu.Lock()
	for ; p.sent < len(p.order); p.sent++ {
		p.order[p.sent].deadline = deadline
	}
	p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
	return 0, nil
}

// Receive implements targets.Pipe.
func (p *pipe) Receive(tags []int32) ([]int32, bool) {
	if p.timer == nil {
		p.timer = time.NewTimer(time.Hour)
	}
	for {
		wait, late := p.overdue(tags)
		if len(late) > len(tags) {
			return late, true
		}
		p.timer.Reset(wait)
		select {
		case m := <-p.answers:
			for m != nil {
				tags = p.answered(tags, m)
				select {
				case m = <-p.answers:
				default:
					m = nil
				}
			}
			if len(tags) > 0 {
				return tags, true
			}
		case <-p.timer.C:
		case <-p.news:
		case <-p.ended:
			p.timer.Stop()
			return tags, false
		}
	}
}

// overdue ends what has had its time, and tells how long the next has.
func (p *pipe) overdue(tags []int32) (wait time.Duration, _ []int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.sent > 0 {
		next := p.order[0]
		u := &p.under[next.tag]
		under := u.op != nil && u.number == next.number
		if wait = time.Until(next.deadline); under && wait > 0 {
			return wait, tags
		}
		if under {
			kit.Doubt(u.op, history.ErrTimeout)
			u.op, tags = nil, append(tags, next.tag)
		}
		p.order, p.sent = p.order[1:], p.sent-1
	}
	return time.Hour, tags
}

// answered ends the operation that an answer is to; one that was given up is passed over.
func (p *pipe) answered(tags []int32, m *driver.Msg) []int32 {
	tag, number, ok := strings.Cut(strings.TrimPrefix(m.Subject, p.inbox), "-")
	at, err := strconv.Atoi(tag)
	n, failed := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || failed != nil || at < 0 || at >= len(p.under) {
		return tags
	}
	p.mu.Lock()
	u := &p.under[at]
	op := u.op
	if op == nil || u.number != n {
		p.mu.Unlock()
		return tags
	}
	u.op = nil
	p.mu.Unlock()
	if op.Kind == history.Read {
		e, err := p.entryOf(m, p.values.Of(op))
		if op.Outcome, op.Error = classifyRead(err); err == nil {
			op.Value = e.value
		}
	} else {
		op.Outcome, op.Error = classify(confirmation(m))
	}
	return append(tags, int32(at))
}

// noResponders is the status with which the client's own server says that nobody
// takes a message.
const noResponders = "503"

// confirmation reads the answer to a message that is to be stored.
func confirmation(m *driver.Msg) error {
	if len(m.Data) == 0 && m.Header.Get(headerStatus) == noResponders {
		return driver.ErrNoResponders
	}
	var answer struct {
		apiAnswer
		Stream string `json:"stream"`
	}
	switch err := json.Unmarshal(m.Data, &answer); {
	case err != nil:
		return fmt.Errorf("%w: %w", errAnswer, err)
	case answer.Error != nil:
		return answer.Error
	case answer.Stream == "":
		return fmt.Errorf("%w: %.40q", errAnswer, m.Data)
	}
	return nil
}

// entryOf reads the answer to a get.
func (p *pipe) entryOf(m *driver.Msg, values *payload.Payload) (entry, error) {
	if len(m.Data) == 0 && m.Header.Get(headerStatus) == noResponders {
		return entry{}, driver.ErrNoResponders
	}
	if p.system.direct {
		return directEntry(m, values)
	}
	var answer messageAnswer
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return entry{}, fmt.Errorf("%w: %w", errAnswer, err)
	}
	return answer.entry(answer.failure(), values)
}

// entry is the message of an answer; a key without one has no value.
func (a *messageAnswer) entry(err error, p *payload.Payload) (entry, error) {
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == codeNoMessage {
		return entry{value: history.Nil}, nil
	}
	if err != nil {
		return entry{}, err
	}
	return parseEntry(p, a.Message.Data, a.Message.Sequence)
}

// Close implements targets.Pipe.
func (p *pipe) Close() error {
	defer p.end()
	return p.Client.Close()
}
