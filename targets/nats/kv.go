package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	driver "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// entry is what a key holds.
type entry struct {
	value    int64 // history.Nil: nothing
	revision uint64
}

// read gets a key as the bucket's clients do: by a direct get where the bucket
// allows them, else from the leader.
func (c *Client) read(ctx context.Context, op *history.Op) {
	get := c.leaderGet
	if c.system.direct {
		get = c.directGet
	}
	e, err := get(ctx, c.bucketKey(op), c.values.Of(op))
	err = c.orGone(ctx, op, c.system.bucket, err)
	if op.Outcome, op.Error = classifyRead(err); err == nil {
		op.Value = e.value
	}
}

// directGet asks some replica of the bucket: the replicas are a queue group,
// of which the client's server chooses a member at random for each request.
// There is no way to ask the replica of a certain server.
func (c *Client) directGet(ctx context.Context, key string, p *payload.Payload) (entry, error) {
	reply, err := c.conn.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+c.system.bucket+"."+key, nil)
	if err != nil {
		return entry{}, err
	}
	return directEntry(reply, p)
}

// directEntry reads the answer to a direct get.
func directEntry(reply *driver.Msg, p *payload.Payload) (entry, error) {
	switch status := reply.Header.Get(headerStatus); status {
	case "":
		return parseEntry(p, reply.Data, 0)
	case statusNone:
		return entry{value: history.Nil}, nil
	default:
		return entry{}, fmt.Errorf("%w: status %s %s", errAnswer, status, reply.Header.Get(headerDescription))
	}
}

// Headers of answers that are no message, and their values.
const (
	headerStatus      = "Status"
	headerDescription = "Description"
	headerPending     = "Nats-Num-Pending" // in each message of a batch, and at its end
	statusNone        = "404"              // no such message
	statusEnd         = "204"              // the end of a batch
)

// messageAnswer is the answer to a get of the JetStream API.
type messageAnswer struct {
	apiAnswer
	Message struct {
		Data     []byte `json:"data"`
		Sequence uint64 `json:"seq"`
	} `json:"message"`
}

// leaderGet asks the bucket's leader. A leader that was cut off from the others
// answers until it notices, which takes it up to ten seconds.
func (c *Client) leaderGet(ctx context.Context, key string, p *payload.Payload) (entry, error) {
	var answer messageAnswer
	err := call(ctx, c.conn, "$JS.API.STREAM.MSG.GET."+c.system.bucket, fmt.Appendf(nil, `{"last_by_subj":%q}`, key), &answer)
	return answer.entry(err, p)
}

func parseEntry(p *payload.Payload, data []byte, revision uint64) (entry, error) {
	value, err := p.Parse(data)
	if err != nil {
		return entry{}, fmt.Errorf("%w: the value is %.40q", errAnswer, data)
	}
	return entry{value, revision}, nil
}

// compareAndSet reads the key from the leader, compares, and publishes on
// condition that the key's revision is still the one that was read: between
// the two the key had no other value. Until it publishes it changes nothing.
func (c *Client) compareAndSet(ctx context.Context, op *history.Op) {
	key := c.bucketKey(op)
	e, err := c.leaderGet(ctx, key, c.values.Of(op))
	if err != nil {
		refuse(op, err)
		return
	}
	if e.value != op.Old {
		op.Observed, op.Flags = e.value, op.Flags|history.Seen
		kit.Refuse(op, history.ErrCompare)
		return
	}
	c.publish(ctx, op, key, jetstream.WithExpectLastSequencePerSubject(e.revision))
}

// readSet reads the keys of a set's elements.
func (c *Client) readSet(ctx context.Context, op *history.Op) {
	prefix := c.bucketKey(op) + "."
	elements, err := op.Elements[:0], error(nil)
	if c.system.direct {
		elements, err = c.directElements(ctx, prefix, elements)
	}
	if !c.system.direct || errors.Is(err, errNoBatches) {
		elements, err = c.leaderElements(ctx, prefix, op.Elements[:0])
	}
	err = c.orGone(ctx, op, c.system.bucket, err)
	if op.Outcome, op.Error = classifyRead(err); err == nil {
		op.Elements = elements
	}
}

// errLeaderless is an answer of a replica that knows no leader.
var errLeaderless = &jetstream.APIError{Code: 503, ErrorCode: codeNotAvailable, Description: "the bucket has no leader"}

// leaderElements asks the bucket's leader for the keys that it holds, page by
// page. Replicas that know no leader answer the same question; their answers
// are not taken.
func (c *Client) leaderElements(ctx context.Context, prefix string, elements []int64) ([]int64, error) {
	for offset := 0; ; {
		var answer infoAnswer
		request, err := json.Marshal(infoRequest{Subjects: prefix + "*", Offset: offset})
		if err != nil {
			return nil, err
		}
		if err := call(ctx, c.conn, "$JS.API.STREAM.INFO."+c.system.bucket, request, &answer); err != nil {
			return nil, err
		}
		if c.system.copies > 1 && answer.Cluster.Leader == "" {
			return nil, errLeaderless
		}
		for key, n := range answer.State.Subjects {
			element, err := parseElement(key, prefix)
			if err != nil {
				return nil, err
			}
			for range n {
				elements = append(elements, element)
			}
		}
		offset += len(answer.State.Subjects)
		if offset >= answer.Total || len(answer.State.Subjects) == 0 {
			return elements, nil
		}
	}
}

type infoRequest struct {
	Subjects string `json:"subjects_filter"`
	Offset   int    `json:"offset"`
}

func parseElement(key, prefix string) (int64, error) {
	element, err := strconv.ParseInt(strings.TrimPrefix(key, prefix), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: the key is %.80q", errAnswer, key)
	}
	return element, nil
}

// errNoBatches is the answer of a server before 2.11: it takes the request for a
// batch as one for a single message, and says nothing after that.
var errNoBatches = errors.New("the server answers no request for a batch")

// directElements asks some replica, as directGet does, for the messages of the
// set's elements, batch by batch, each of another replica. The error is
// errNoBatches where that replica knows no batches; the bucket's clients list keys
// from its leader then.
func (c *Client) directElements(ctx context.Context, prefix string, elements []int64) ([]int64, error) {
	inbox := c.conn.NewRespInbox()
	replies, err := c.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = replies.Unsubscribe() }() // fails only with the connection
	for next := uint64(1); next > 0; {
		request, err := json.Marshal(batchRequest{From: next, Subjects: prefix + "*", Batch: batchSize})
		if err != nil {
			return nil, err
		}
		if err := c.conn.PublishRequest("$JS.API.DIRECT.GET."+c.system.bucket, inbox, request); err != nil {
			return nil, err
		}
		if elements, next, err = c.batch(ctx, replies, prefix, elements); err != nil {
			return nil, err
		}
	}
	return elements, nil
}

// batchSize is the number of elements in one answer.
const batchSize = 4096

type batchRequest struct {
	From     uint64 `json:"seq"`
	Subjects string `json:"next_by_subj"`
	Batch    int    `json:"batch"`
}

// batch reads one batch of elements; next is where the following one begins,
// 0 after the last.
func (c *Client) batch(ctx context.Context, replies *driver.Subscription, prefix string, elements []int64) (_ []int64, next uint64, err error) {
	for {
		m, err := replies.NextMsgWithContext(ctx)
		if err != nil {
			return nil, 0, err
		}
		switch status := m.Header.Get(headerStatus); status {
		case "":
			if m.Header.Get(headerPending) == "" {
				return nil, 0, errNoBatches
			}
			element, err := parseElement(m.Header.Get("Nats-Subject"), prefix)
			if err != nil {
				return nil, 0, err
			}
			elements = append(elements, element)
		case statusNone:
			return elements, 0, nil
		case statusEnd:
			last, err := strconv.ParseUint(m.Header.Get("Nats-Last-Sequence"), 10, 64)
			if err != nil {
				return nil, 0, fmt.Errorf("%w: %w", errAnswer, err)
			}
			if m.Header.Get(headerPending) == "0" {
				return elements, 0, nil
			}
			return elements, last + 1, nil
		default:
			return nil, 0, fmt.Errorf("%w: status %s %s", errAnswer, status, m.Header.Get(headerDescription))
		}
	}
}
