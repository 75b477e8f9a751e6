package etcd

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// A queue is as etcd's own recipes have it: each message a key below the queue's,
// taken in the order in which they were made. Who deletes a key in the revision
// that it read has received the message; whom another was faster than has not.

// message is a key of a queue.
type message struct {
	key      string
	value    int64
	revision int64 // of its last change
}

// head is the oldest message of the queue c.key; ok is false if it is empty. The
// read is confirmed by a majority, whatever reads are: what a member lacks is not
// delivered, and that is no finding.
func (c *client) head(ctx context.Context) (m message, ok bool, err error) {
	answer, err := c.conn.kv.Get(ctx, string(c.key)+"/", clientv3.WithFirstCreate()...)
	if err != nil || len(answer.Kvs) == 0 {
		return message{}, false, err
	}
	value, err := c.number(answer.Kvs)
	return message{string(answer.Kvs[0].Key), value, answer.Kvs[0].ModRevision}, true, err
}

// take deletes a message; taken is false if somebody else has.
func (c *client) take(ctx context.Context, m message) (taken bool, err error) {
	answer, err := c.conn.kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(m.key), "=", m.revision)).Then(clientv3.OpDelete(m.key)).Commit()
	return err == nil && answer.Succeeded, err
}

func (c *client) enqueue(ctx context.Context, op *history.Op) error {
	value := c.value(op.Value)
	_, err := c.conn.kv.Put(ctx, string(c.element(op.Value)), value)
	return err
}

// dequeue takes the oldest message, or the next where others are faster.
func (c *client) dequeue(ctx context.Context, op *history.Op) error {
	op.Value = history.Nil
	for {
		m, ok, err := c.head(ctx)
		if err != nil {
			c.unread(op, err)
			return nil
		}
		if !ok {
			return nil
		}
		taken, err := c.take(ctx, m)
		if outcome, _ := classify(err); taken || err != nil && outcome == history.Unknown {
			op.Value = m.value // without an answer it was received, whether it is deleted or not
		}
		if taken || err != nil {
			return err
		}
	}
}

// unread ends op as Fail by the error of a read: nothing was taken.
func (c *client) unread(op *history.Op, err error) {
	_, why := classify(err)
	kit.Refuse(op, why)
	c.broken = true
}

// drainReserve is the least time left in which another message is taken, so that a
// drain that runs out of time does so between two messages.
const drainReserve = 250 * time.Millisecond

// drain dequeues until the queue is empty.
func (c *client) drain(ctx context.Context, op *history.Op) error {
	op.Elements, op.Value = op.Elements[:0], history.Nil
	for {
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < min(drainReserve, c.timeout/2) {
			kit.Refuse(op, history.ErrTimeout)
			return nil
		}
		one := history.Op{Kind: history.Dequeue}
		if err := c.dequeue(ctx, &one); err != nil {
			op.Value = one.Value
			return err
		}
		if one.Error != history.ErrNone {
			kit.Refuse(op, one.Error)
			return nil
		}
		if one.Value == history.Nil {
			return nil
		}
		op.Elements = append(op.Elements, one.Value)
	}
}
