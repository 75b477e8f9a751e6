package kit

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Kept keeps one open connection per node, for the many small questions that
// the harness asks (a node's role, forty times a second). A connection whose
// call failed is closed and opened anew by the next call. The zero value is
// ready for use.
type Kept[C io.Closer] struct {
	// Dial opens a connection within ctx.
	Dial func(ctx context.Context, n *cluster.Node) (C, error)

	mu     sync.Mutex
	nodes  map[int]*held[C]
	closed bool
}

// held is the connection of one node; its mutex is held through a call.
type held[C io.Closer] struct {
	turn chan struct{} // capacity 1: whoever has put into it has the turn
	conn C
	open bool
}

var errClosed = errors.New("the connections of this system are closed")

// Use calls f with the node's connection, one call at a time. f must return
// within ctx; after an error of f the connection is closed.
func (k *Kept[C]) Use(ctx context.Context, n *cluster.Node, f func(C) error) error {
	h, err := k.of(n.Index)
	if err != nil {
		return err
	}
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-h.turn }()
	if !h.open {
		if h.conn, err = k.Dial(ctx, n); err != nil {
			return err
		}
		h.open = true
	}
	if err = f(h.conn); err != nil {
		h.open = false
		_ = h.conn.Close() // nothing can be done about a failed close of a broken connection
	}
	return err
}

func (k *Kept[C]) of(i int) (*held[C], error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, errClosed
	}
	if k.nodes == nil {
		k.nodes = make(map[int]*held[C])
	}
	if k.nodes[i] == nil {
		k.nodes[i] = &held[C]{turn: make(chan struct{}, 1)}
	}
	return k.nodes[i], nil
}

// Close closes every connection, each after the call that is using it.
func (k *Kept[C]) Close() error {
	k.mu.Lock()
	nodes := k.nodes
	k.closed, k.nodes = true, nil
	k.mu.Unlock()
	var errs []error
	for _, h := range nodes {
		h.turn <- struct{}{}
		if h.open {
			errs = append(errs, h.conn.Close())
			h.open = false
		}
		<-h.turn
	}
	return errors.Join(errs...)
}
