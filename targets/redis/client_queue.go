package redis

import (
	"slices"
	"strconv"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// A queue is Redis's reliable-queue pattern (its documentation of LMOVE): a
// message is moved from the queue's list to the consumer's own processing list,
// and taken out of that when it has been received. What a dead consumer leaves
// in its processing list somebody has to move back: Drain does.

// processing is the name of this connection's processing list.
func (c *Client) processing() string { return string(c.key) + processingMark + c.consumer }

// processingMark stands between a queue's key and the consumer.
const processingMark = ":p"

// dequeue receives one message and acknowledges it.
func (c *Client) dequeue(op *history.Op) {
	op.Value = history.Nil
	list := c.processing()
	reply, err := c.call("LMOVE", c.key, list, "LEFT", "RIGHT")
	if err != nil {
		c.failed(op, err)
		return
	}
	value, err := c.number(reply)
	if err != nil {
		c.dropConn(op, err)
		return
	}
	if reply == nil {
		op.Outcome = history.OK // the queue is empty
		return
	}
	op.Value = value
	reply, confirmed, err := c.write("LREM", list, 1, reply)
	switch {
	case err != nil:
		c.failed(op, err)
		op.Outcome = history.Unknown // the message was received, whatever became of its acknowledgement
	case reply != int64(1):
		kit.Doubt(op, history.ErrServer) // the server has forgotten that it was received
	default:
		c.acknowledge(op, confirmed)
	}
}

// moveBatch is how many messages are moved back in one round trip.
const moveBatch = 256

// drain moves back what consumers left and then dequeues one message after the
// other. It ends early enough that the last one can still be acknowledged in
// time; messages are then left for the next call.
func (c *Client) drain(op *history.Op, deadline time.Time) {
	stop := time.Now().Add(time.Until(deadline) * 3 / 4)
	op.Value, op.Elements = history.Nil, op.Elements[:0]
	if err := c.moveBack(); err != nil {
		c.failed(op, err)
		op.Outcome = history.Fail // whatever was moved, nothing was taken out
		return
	}
	one := history.Op{Kind: history.Dequeue}
	for {
		one.Outcome, one.Error = history.Unknown, history.ErrNone
		c.dequeue(&one)
		if one.Outcome != history.OK || one.Value == history.Nil {
			op.Outcome, op.Error, op.Value = one.Outcome, one.Error, one.Value
			return
		}
		op.Elements = append(op.Elements, one.Value)
		if time.Now().After(stop) {
			kit.Refuse(op, history.ErrTimeout)
			return
		}
	}
}

// moveBack moves what is left in the queue's processing lists to its head.
func (c *Client) moveBack() error {
	lists, err := c.left()
	if err != nil {
		return err
	}
	for _, list := range lists {
		for more := true; more; {
			if more, err = c.move(list); err != nil {
				return err
			}
		}
	}
	return nil
}

// left are the queue's processing lists that are there. Where the server has keys
// of others too it is not asked for all: the consumers are known, all are ours.
func (c *Client) left() ([]string, error) {
	if c.made == nil {
		lists, err := redigo.Strings(c.call("KEYS", string(c.key)+processingMark+"*"))
		slices.Sort(lists)
		return lists, err
	}
	var lists []string
	for next, made := uint64(1), c.made.Load(); next <= made; next += moveBatch {
		var names []string
		for i := next; i <= made && i < next+moveBatch; i++ {
			names = append(names, string(c.key)+processingMark+strconv.FormatUint(i, 10))
		}
		there, err := c.there(names)
		if err != nil {
			return nil, err
		}
		lists = append(lists, there...)
	}
	return lists, nil
}

// there are those of some lists that hold anything.
func (c *Client) there(names []string) (found []string, err error) {
	for _, name := range names {
		if err := c.conn.Send("LLEN", name); err != nil {
			return nil, err
		}
	}
	if err := c.conn.Flush(); err != nil {
		return nil, err
	}
	for _, name := range names {
		n, failed := redigo.Int(c.conn.Receive())
		if failed != nil && c.conn.Err() != nil {
			return nil, failed
		}
		if failed != nil {
			err = failed
		}
		if n > 0 {
			found = append(found, name)
		}
	}
	return found, err
}

// move moves up to moveBatch messages from a processing list to the queue's
// head; more tells whether there may be others.
func (c *Client) move(list string) (more bool, err error) {
	for range moveBatch {
		if err := c.conn.Send("LMOVE", list, c.key, "RIGHT", "LEFT"); err != nil {
			return false, err
		}
	}
	if err := c.conn.Flush(); err != nil {
		return false, err
	}
	more = true
	for range moveBatch {
		reply, failed := c.conn.Receive()
		if failed != nil && c.conn.Err() != nil {
			return false, failed
		}
		if failed != nil {
			err = failed
		}
		more = more && reply != nil
	}
	return more, err
}
