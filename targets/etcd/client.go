package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// client is one worker's connection to one member. A register is a key; so is
// every element of a set or message of a queue, below its prefix.
type client struct {
	conn         *conn
	timeout      time.Duration
	serializable bool
	lease        []clientv3.OpOption // of registers' values
	values       payload.Table
	payload      *payload.Payload // of the operation under way
	text         []byte           // reused
	key          []byte           // reused
	broken       bool
}

var (
	_ targets.Client = (*client)(nil)

	errAnswer = errors.New("etcd answered with what this client never wrote")
)

// Connect opens a connection to a member over the clients' network.
func (s *System) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	ctx, dial, cancel := kit.Connecting(ctx, o)
	defer cancel()
	tcp, err := dial(ctx, "tcp", kit.Address(n, clientPort))
	if err != nil {
		return nil, fmt.Errorf("connect to etcd on %s: %w", n.Name, err)
	}
	c, err := open(ctx, tcp)
	if err != nil {
		return nil, fmt.Errorf("connect to etcd on %s: %w", n.Name, err)
	}
	made := &client{conn: c, timeout: kit.OpTimeout(o), serializable: s.serializable, values: o.Values}
	if s.lease > 0 {
		made.lease = []clientv3.OpOption{clientv3.WithLease(leaseID)}
	}
	return made, nil
}

// Broken reports whether the connection is of no more use.
func (c *client) Broken() bool { return c.broken || !c.conn.alive() }

// Close closes the connection.
func (c *client) Close() error {
	c.broken = true
	return c.conn.Close()
}

// Do makes one call. What op sets is in its outcome only when it is certain.
func (c *client) Do(ctx context.Context, op *history.Op) {
	if !kit.Begin(op, c.Broken()) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	c.key, c.payload = kit.AppendKey(c.key[:0], op), c.values.Of(op)
	var err error
	switch op.Kind {
	case history.Read:
		op.Value, err = c.get(ctx, c.serializable)
	case history.Poll: // the member's own view, whatever reads are
		op.Value, err = c.get(ctx, true)
	case history.Write:
		_, err = c.conn.kv.Put(ctx, string(c.key), c.value(op.Value), c.lease...)
	case history.Mark:
		_, err = c.conn.kv.Put(ctx, string(c.key), c.value(op.Value))
	case history.CAS:
		err = c.compareAndSet(ctx, op)
	case history.Add:
		_, err = c.conn.kv.Put(ctx, string(c.element(op.Value)), c.filling(op.Value))
	case history.ReadSet:
		err = c.elements(ctx, op)
	case history.Txn:
		err = c.lists(ctx, op)
	case history.Transfer:
		err = c.transfer(ctx, op)
	case history.Balances:
		err = c.balances(ctx, op)
	case history.Increment:
		_, err = c.increment(ctx, op, op.Value)
	case history.Generate:
		err = c.generate(ctx, op)
	case history.Enqueue:
		err = c.enqueue(ctx, op)
	case history.Dequeue:
		err = c.dequeue(ctx, op)
	case history.Drain:
		err = c.drain(ctx, op)
	default:
		kit.Refuse(op, history.ErrServer) // nothing is sent
		return
	}
	switch {
	case err != nil:
		op.Outcome, op.Error = classify(err)
		// The answer to a call that was given up may still be on its way.
		c.broken = op.Outcome == history.Unknown
	case op.Error == history.ErrNone: // else a comparison has failed
		op.Outcome = history.OK
	}
}

// get reads c.key; a missing key is Nil.
func (c *client) get(ctx context.Context, serializable bool) (int64, error) {
	answer, err := c.conn.kv.Get(ctx, string(c.key), readOptions(serializable)...)
	if err != nil {
		return 0, err
	}
	return c.number(answer.Kvs)
}

func readOptions(serializable bool, more ...clientv3.OpOption) []clientv3.OpOption {
	if serializable {
		more = append(more, clientv3.WithSerializable())
	}
	return more
}

// value is the text of a value.
func (c *client) value(v int64) string {
	c.text = c.payload.Append(c.text[:0], v)
	return string(c.text)
}

// filling is what an element's key holds: nothing, since the key says it, or as
// many bytes as elements are to have.
func (c *client) filling(v int64) string {
	if c.payload == nil {
		return ""
	}
	return c.value(v)
}

// number is that of the only key of an answer, Nil if there is none.
func (c *client) number(kvs []*mvccpb.KeyValue) (int64, error) {
	if len(kvs) == 0 {
		return history.Nil, nil
	}
	n, err := c.payload.Parse(kvs[0].Value)
	if err != nil || len(kvs) > 1 {
		return 0, errAnswer
	}
	return n, nil
}

// compareAndSet is one transaction; a failed comparison reads the value that
// was in the way.
func (c *client) compareAndSet(ctx context.Context, op *history.Op) error {
	key := string(c.key)
	same := clientv3.Compare(clientv3.Value(key), "=", c.value(op.Old))
	if op.Old == history.Nil {
		same = clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
	}
	answer, err := c.conn.kv.Txn(ctx).If(same).Then(clientv3.OpPut(key, c.value(op.Value), c.lease...)).Else(clientv3.OpGet(key)).Commit()
	if err != nil || answer.Succeeded {
		return err
	}
	kit.Refuse(op, history.ErrCompare) // a comparison decided, so nothing was put
	if len(answer.Responses) != 1 || answer.Responses[0].GetResponseRange() == nil {
		return nil
	}
	if seen, err := c.number(answer.Responses[0].GetResponseRange().Kvs); err == nil {
		op.Observed = seen
		op.Flags |= history.Seen
	}
	return nil
}

// element makes c.key the key of an element of the set c.key: "s0.3/17".
func (c *client) element(v int64) []byte {
	c.key = append(c.key, '/')
	c.key = strconv.AppendInt(c.key, v, 10)
	return c.key
}

// elements reads the keys below the set's prefix.
func (c *client) elements(ctx context.Context, op *history.Op) error {
	c.key = append(c.key, '/')
	answer, err := c.conn.kv.Get(ctx, string(c.key), readOptions(c.serializable, clientv3.WithPrefix(), clientv3.WithKeysOnly())...)
	if err != nil {
		return err
	}
	op.Elements = op.Elements[:0]
	for _, kv := range answer.Kvs {
		v, err := strconv.ParseInt(string(bytes.TrimPrefix(kv.Key, c.key)), 10, 64)
		if err != nil {
			return errAnswer
		}
		op.Elements = append(op.Elements, v)
	}
	return nil
}

func decimal(v int64) string { return strconv.FormatInt(v, 10) }
