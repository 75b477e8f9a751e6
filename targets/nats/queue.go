package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	driver "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// delivery is a message that was received, until it is acknowledged.
type delivery struct {
	value int64  // history.Nil: there was none
	reply string // where the acknowledgement goes
}

// dequeue pulls one message and acknowledges it.
func (c *Client) dequeue(ctx context.Context, op *history.Op) {
	op.Value = history.Nil
	consumer, err := c.consumer(ctx, op)
	if err != nil {
		refuse(op, err)
		return
	}
	d, err := c.pull(ctx, consumer, c.values.Of(op))
	if op.Outcome, op.Error = classify(err); err != nil || d.value == history.Nil {
		return
	}
	op.Value = d.value
	c.acknowledge(ctx, op, d)
}

// acknowledge acknowledges a message and waits for the server's word that it
// took the acknowledgement. Without it the message may come again, also where
// the acknowledgement certainly did not arrive.
func (c *Client) acknowledge(ctx context.Context, op *history.Op, d delivery) {
	_, err := c.conn.RequestWithContext(ctx, d.reply, []byte("+ACK"))
	if op.Outcome, op.Error = classify(err); err != nil {
		op.Outcome = history.Unknown
	}
}

// pullRequest asks for one message, or for the answer that there is none now.
var pullRequest = []byte(`{"batch":1,"no_wait":true}`)

// pull receives one message.
func (c *Client) pull(ctx context.Context, consumer string, p *payload.Payload) (delivery, error) {
	m, err := c.conn.RequestWithContext(ctx, "$JS.API.CONSUMER.MSG.NEXT."+c.system.queue+"."+consumer, pullRequest)
	if err != nil {
		return delivery{}, err
	}
	return parseDelivery(p, m)
}

func parseDelivery(p *payload.Payload, m *driver.Msg) (delivery, error) {
	switch status := m.Header.Get(headerStatus); status {
	case "":
	case statusNone:
		return delivery{value: history.Nil}, nil
	default:
		return delivery{}, fmt.Errorf("%w: status %s %s", errAnswer, status, m.Header.Get(headerDescription))
	}
	value, err := p.Parse(m.Data)
	if err != nil || m.Reply == "" {
		return delivery{}, fmt.Errorf("%w: the message is %.40q", errAnswer, m.Data)
	}
	return delivery{value: value, reply: m.Reply}, nil
}

// consumer is the durable consumer of op's queue. The first that needs it
// makes it: how many queues there are is the workload's matter.
func (c *Client) consumer(ctx context.Context, op *history.Op) (string, error) {
	name := fmt.Sprintf("q%d-%d", op.Workload, op.Key)
	if _, ok := c.system.ready.Load(name); ok {
		return name, nil
	}
	_, err := c.stream.CreateOrUpdateConsumer(ctx, c.system.queue, jetstream.ConsumerConfig{Durable: name, FilterSubject: c.queueKey(op),
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: c.system.ackWait, MaxAckPending: -1})
	if err != nil {
		return "", err
	}
	c.system.ready.Store(name, struct{}{})
	return name, nil
}

// drainPause is the time between two looks at a queue whose last messages were
// delivered to clients that did not acknowledge them.
const drainPause = 50 * time.Millisecond

// drainReserve is the least time left in which another message is taken, so
// that a drain that runs out of time does so between two messages.
const drainReserve = 250 * time.Millisecond

// drain dequeues until the consumer says that nothing is left to deliver and
// nothing waits for its acknowledgement.
func (c *Client) drain(ctx context.Context, op *history.Op) {
	op.Elements, op.Value = op.Elements[:0], history.Nil
	consumer, err := c.consumer(ctx, op)
	if err != nil {
		refuse(op, err)
		return
	}
	for {
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < min(drainReserve, c.timeout/2) {
			kit.Refuse(op, history.ErrTimeout)
			return
		}
		d, err := c.pull(ctx, consumer, c.values.Of(op))
		err = c.orGone(ctx, op, c.system.queue, err)
		if op.Outcome, op.Error = classify(err); err != nil {
			return
		}
		if d.value != history.Nil {
			if c.acknowledge(ctx, op, d); op.Outcome != history.OK {
				op.Value = d.value
				return
			}
			op.Elements = append(op.Elements, d.value)
			continue
		}
		left, err := c.left(ctx, consumer)
		if err != nil {
			refuse(op, err)
			return
		}
		if left == 0 {
			return
		}
		pause(ctx, drainPause)
	}
}

// refuse ends op as Fail for an error of a call that takes no message.
func refuse(op *history.Op, err error) {
	_, why := classify(err)
	kit.Refuse(op, why)
}

// left is how many messages the consumer has still to deliver, or to see
// acknowledged.
func (c *Client) left(ctx context.Context, consumer string) (uint64, error) {
	var answer struct {
		apiAnswer
		Pending    uint64 `json:"num_pending"`
		AckPending uint64 `json:"num_ack_pending"`
	}
	err := call(ctx, c.conn, "$JS.API.CONSUMER.INFO."+c.system.queue+"."+consumer, nil, &answer)
	if err != nil {
		return 0, errors.Join(errors.New("ask how much is left"), err)
	}
	return answer.Pending + answer.AckPending, nil
}

// pause waits, until ctx ends at the latest.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
