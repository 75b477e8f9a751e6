package memcached

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// client is one worker's view of the caches: it reads its home node, and
// writes to all nodes. The others' connections are made by the first write.
type client struct {
	nodes   []*cluster.Node
	home    int
	need    int // how many nodes have to store a write
	options targets.ClientOptions
	links   []*link // by node; nil: not connected
}

// Connect opens one worker's connection to node n, within o.ConnectTimeout.
func (s *System) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	c := &client{nodes: s.nodes, home: n.Index, need: 1, options: o, links: make([]*link, len(s.nodes))}
	if s.all {
		c.need = len(s.nodes)
	}
	if c.options.Dialer == nil {
		c.options.Dialer = new(net.Dialer).DialContext
	}
	if err := c.dial(ctx, c.home); err != nil {
		return nil, fmt.Errorf("connect to memcached on %s: %w", n.Name, err)
	}
	return c, nil
}

func (c *client) dial(ctx context.Context, i int) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.ConnectTimeout)
	defer cancel()
	c.links[i], err = newLink(c.options.Dialer(ctx, "tcp", kit.Address(c.nodes[i], port)))
	return err
}

// Broken reports whether the worker should connect anew: its reads would fail.
func (c *client) Broken() bool { return c.links[c.home] == nil }

// Close closes every connection.
func (c *client) Close() error {
	for i := range c.links {
		c.drop(i)
	}
	return nil
}

// drop closes a connection. An answer may still come for its last call, and
// must not be taken for the next one's.
func (c *client) drop(i int) {
	if c.links[i] != nil {
		_ = c.links[i].Close() // it is of no more use either way
		c.links[i] = nil
	}
}

// Do makes one call, within the connection's OpTimeout. The one rule: Fail is
// said only when nothing was sent; whatever goes wrong later is Unknown.
func (c *client) Do(ctx context.Context, op *history.Op) {
	ctx, cancel := context.WithTimeout(ctx, c.options.OpTimeout)
	defer cancel()
	key := string(kit.AppendKey(nil, op)) // "r0.17": no two workloads meet
	switch op.Kind {
	case history.Read, history.Poll:
		c.get(ctx, op, key)
	case history.Write, history.Mark:
		c.set(ctx, op, key)
	default:
		kit.Refuse(op, history.ErrServer)
	}
}

// get reads the home node. A miss is not an error: the value is Nil.
func (c *client) get(ctx context.Context, op *history.Op, key string) {
	home := c.links[c.home]
	if home == nil {
		kit.Refuse(op, history.ErrConnect)
		return
	}
	home.until(ctx)
	item, err := home.Get(key)
	switch {
	case errors.Is(err, memcache.ErrCacheMiss):
		op.Value, err = history.Nil, nil
	case err == nil:
		op.Value, err = c.options.Values.Of(op).Parse(item.Value)
	}
	op.Outcome, op.Error = history.OK, history.ErrNone
	if err != nil {
		kit.Doubt(op, reason(err))
		c.drop(c.home)
	}
}

// set writes to all nodes at once. If fewer can be reached than have to store
// the value, nothing is sent; if fewer have stored it, nobody knows.
func (c *client) set(ctx context.Context, op *history.Op, key string) {
	if c.reach(ctx) < c.need {
		kit.Refuse(op, history.ErrConnect)
		return
	}
	value := c.options.Values.Of(op).Append(nil, op.Value)
	errs := make([]error, len(c.nodes)) // by node; nil: it stored the value
	_ = kit.Each(c.nodes, func(i int) error {
		if c.links[i] == nil {
			errs[i] = errLost
			return nil
		}
		c.links[i].until(ctx)
		if errs[i] = c.links[i].Set(&memcache.Item{Key: key, Value: value}); errs[i] != nil {
			c.drop(i)
		}
		return nil
	})
	op.Outcome, op.Error = acknowledge(errs, c.need)
}

// acknowledge tells what the nodes' answers to a write say. Not even a refusal
// by all of them proves that nothing happened: a node without memory for the
// new value drops the old one.
func acknowledge(errs []error, need int) (history.Outcome, history.Error) {
	stored, why := 0, history.ErrNone
	for _, err := range errs {
		if err == nil {
			stored++
		} else {
			why = reason(err)
		}
	}
	if stored >= need {
		return history.OK, history.ErrNone
	}
	return history.Unknown, why
}

// reach connects to the nodes that are not connected, all at once, and counts
// those that are.
func (c *client) reach(ctx context.Context) int {
	_ = kit.Each(c.nodes, func(i int) error {
		if c.links[i] != nil {
			return nil
		}
		return c.dial(ctx, i) // the count is what matters
	})
	reached := 0
	for _, l := range c.links {
		if l != nil {
			reached++
		}
	}
	return reached
}

// reason is the class of an error after sending.
func reason(err error) history.Error {
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout():
		return history.ErrTimeout
	case errors.As(err, &network), errors.Is(err, errLost), errors.Is(err, io.EOF):
		return history.ErrConnLost
	}
	return history.ErrServer
}
