package etcd

import (
	"context"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Transactions over several keys, as etcd's documentation has them: read all
// keys at one revision, compute, and put under the condition that no key has
// changed since. A condition that does not hold proves that nothing was put.

// held is a key as it was read.
type held struct {
	text     string
	exists   bool
	revision int64 // of its last change, 0 if it does not exist
}

// read reads keys at one revision. A failed read has changed nothing.
func (c *client) read(ctx context.Context, op *history.Op, keys []string) ([]held, error) {
	gets := make([]clientv3.Op, len(keys))
	for i, key := range keys {
		gets[i] = clientv3.OpGet(key)
	}
	answer, err := c.conn.kv.Txn(ctx).Then(gets...).Commit()
	if err != nil {
		_, why := classify(err)
		kit.Refuse(op, why)
		c.broken = true
		return nil, nil
	}
	if len(answer.Responses) != len(keys) {
		return nil, errAnswer
	}
	all := make([]held, len(keys))
	for i, r := range answer.Responses {
		if kvs := r.GetResponseRange().GetKvs(); len(kvs) > 0 {
			all[i] = held{string(kvs[0].Value), true, kvs[0].ModRevision}
		}
	}
	return all, nil
}

// put puts what changed under the condition that no key has changed since it
// was read.
func (c *client) put(ctx context.Context, op *history.Op, keys []string, before []held, texts map[int]string) error {
	same, puts := make([]clientv3.Cmp, len(keys)), make([]clientv3.Op, 0, len(texts))
	for i, key := range keys {
		same[i] = clientv3.Compare(clientv3.ModRevision(key), "=", before[i].revision)
		if text, ok := texts[i]; ok {
			puts = append(puts, clientv3.OpPut(key, text))
		}
	}
	answer, err := c.conn.kv.Txn(ctx).If(same...).Then(puts...).Commit()
	if err == nil && !answer.Succeeded {
		kit.Refuse(op, history.ErrCompare)
	}
	return err
}

// lists does a transaction of appends and reads.
func (c *client) lists(ctx context.Context, op *history.Op) error {
	l, ok := kit.NewLists(op)
	if !ok {
		kit.Refuse(op, history.ErrServer) // nothing is sent
		return nil
	}
	keys := make([]string, len(l.Keys))
	for i, key := range l.Keys {
		keys[i] = string(kit.KeyOf(op, key))
	}
	before, err := c.read(ctx, op, keys)
	if err != nil || before == nil {
		return err
	}
	lists := make(map[uint32][]int64, len(keys))
	for i, key := range l.Keys {
		if lists[key], err = kit.SplitList(before[i].text); err != nil {
			return errAnswer
		}
	}
	answer := l.Run(lists)
	if l.Writes() {
		texts := map[int]string{}
		for i, key := range l.Keys {
			if l.Changed[key] {
				texts[i] = kit.JoinList(lists[key])
			}
		}
		if err := c.put(ctx, op, keys, before, texts); err != nil || op.Error != history.ErrNone {
			return err
		}
	}
	op.Elements = answer
	return nil
}

// balances reads the accounts 0 to op.Key-1.
func (c *client) balances(ctx context.Context, op *history.Op) error {
	keys := make([]string, op.Key)
	for i := range keys {
		keys[i] = string(kit.KeyOf(op, uint32(i)))
	}
	found, err := c.read(ctx, op, keys)
	if err != nil || found == nil {
		return err
	}
	op.Elements = op.Elements[:0]
	for _, h := range found {
		v, err := h.number(history.OpeningBalance)
		if err != nil {
			return err
		}
		op.Elements = append(op.Elements, v)
	}
	return nil
}

// number is a key's number, or what it is before anybody wrote it.
func (h *held) number(unwritten int64) (int64, error) {
	if !h.exists {
		return unwritten, nil
	}
	v, err := strconv.ParseInt(h.text, 10, 64)
	if err != nil {
		return 0, errAnswer
	}
	return v, nil
}

func (c *client) transfer(ctx context.Context, op *history.Op) error {
	if op.Old == int64(op.Key) {
		return nil // moves nothing
	}
	keys := []string{string(kit.KeyOf(op, op.Key)), string(kit.KeyOf(op, uint32(op.Old)))}
	before, err := c.read(ctx, op, keys)
	if err != nil || before == nil {
		return err
	}
	from, err := before[0].number(history.OpeningBalance)
	if err != nil {
		return err
	}
	to, err := before[1].number(history.OpeningBalance)
	if err != nil {
		return err
	}
	if from < op.Value {
		kit.Refuse(op, history.ErrCompare)
		return nil
	}
	return c.put(ctx, op, keys, before, map[int]string{0: decimal(from - op.Value), 1: decimal(to + op.Value)})
}

// increment adds to a counter; generate counts up and returns the new number.
func (c *client) increment(ctx context.Context, op *history.Op, by int64) (int64, error) {
	keys := []string{string(c.key)}
	before, err := c.read(ctx, op, keys)
	if err != nil || before == nil {
		return 0, err
	}
	v, err := before[0].number(0)
	if err != nil {
		return 0, err
	}
	return v + by, c.put(ctx, op, keys, before, map[int]string{0: decimal(v + by)})
}

func (c *client) generate(ctx context.Context, op *history.Op) error {
	v, err := c.increment(ctx, op, 1)
	if err == nil && op.Error == history.ErrNone {
		op.Value = v
	}
	return err
}
