package kit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

// What targets share of looking at nodes that somebody else runs.

// LookEvery is how often a deployment is looked at again: a login costs a server more
// than a question.
const LookEvery = 100 * time.Millisecond

// LookTimeout bounds one question while a deployment is looked at.
const LookTimeout = 2 * time.Second

// OfStatus asks a node for its status.
type OfStatus = func(context.Context, *cluster.Node) (targets.Status, error)

// Unanswered adds the remedy to an error of a node that could not be asked. One of TLS
// is for good: asking again does not help.
func Unanswered(err error) error {
	var said *net.OpError // an alert of the server's is one of these
	if errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(tls.RecordHeaderError)) || errors.As(err, &said) && said.Op == "remote error" {
		return ForGood(fmt.Errorf("%w: set target.connect.ca, server, cert and key as the server wants them, or take target.connect.tls away if it speaks none", err))
	}
	return fmt.Errorf("%w: start it, or correct its address in target.attach", err)
}

// ThePrimary asks every node for its role. All have to answer, and one to be the
// primary; errors name the node and the remedy. own is the target's port.
func ThePrimary(ctx context.Context, nodes []*cluster.Node, own int, status OfStatus) (*cluster.Node, error) {
	if len(nodes) == 0 {
		return nil, ForGood(errors.New("there are no nodes"))
	}
	all := make([]targets.Status, len(nodes))
	err := Each(nodes, func(i int) (err error) {
		bounded, cancel := context.WithTimeout(ctx, LookTimeout)
		defer cancel()
		all[i], err = status(bounded, nodes[i])
		var unreached net.Error
		if errors.As(err, &unreached) {
			err = fmt.Errorf("%w: start it, or correct its address in target.attach (%s)", err, ServerAddress(nodes[i], own))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var found *cluster.Node
	var names []string
	for i, st := range all {
		names = append(names, nodes[i].Name)
		if st.Role != targets.Primary {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("both %s and %s are primary: end one of them, or take it out of target.attach", found.Name, nodes[i].Name)
		}
		found = nodes[i]
	}
	if found == nil {
		return nil, fmt.Errorf("there is no primary, every node is a replica (%s): wait until the deployment has one, or name the node that is missing in target.attach", strings.Join(names, ", "))
	}
	return found, nil
}

// Primaries are the nodes that take themselves for the primary, at least one. Of
// the others not all have to answer.
func Primaries(ctx context.Context, nodes []*cluster.Node, status OfStatus) ([]*cluster.Node, error) {
	all, errs := make([]targets.Status, len(nodes)), make([]error, len(nodes))
	_ = Each(nodes, func(i int) error { // their errors are kept one by one
		bounded, cancel := context.WithTimeout(ctx, LookTimeout)
		defer cancel()
		if all[i], errs[i] = status(bounded, nodes[i]); errs[i] != nil {
			all[i], errs[i] = status(bounded, nodes[i]) // the kept connection may have been an old one
		}
		return nil
	})
	var found []*cluster.Node
	var failed error
	for i, st := range all {
		if errs[i] == nil && st.Role == targets.Primary {
			found = append(found, nodes[i])
		}
		failed = Also(failed, errs[i])
	}
	if len(found) == 0 {
		return nil, Also(errors.New("no node answers as the primary: try again when the deployment has one"), failed)
	}
	return found, nil
}

// whoTimeout bounds the question which node is which; it takes half of the time
// that there is at most.
const whoTimeout = 500 * time.Millisecond

// Whose remembers which node's server has an identity: something that no other
// server has, and that this one does not have again after a new start. The zero
// value is ready for use.
type Whose struct {
	mu sync.Mutex
	of map[string]int // Index of the node
}

// Find tells whose an identity is, as an index of nodes; -1 if no node that
// answers has it. ask asks a node for its own.
func (w *Whose) Find(ctx context.Context, identity string, nodes []*cluster.Node, ask func(context.Context, *cluster.Node) (string, error)) int {
	w.mu.Lock()
	index, known := w.of[identity]
	w.mu.Unlock()
	if !known {
		ctx, stop := half(ctx)
		defer stop()
		ctx, cancel := context.WithTimeout(ctx, whoTimeout)
		defer cancel()
		var found atomic.Pointer[cluster.Node]
		_ = Each(nodes, func(i int) error { // who does not answer is not found
			its, err := ask(ctx, nodes[i])
			if err == nil && its == identity {
				found.Store(nodes[i])
				cancel() // the others need not be waited for
			}
			return err
		})
		n := found.Load()
		if n == nil {
			return -1
		}
		index = n.Index
		w.mu.Lock()
		if w.of == nil {
			w.of = map[string]int{}
		}
		w.of[identity] = index
		w.mu.Unlock()
	}
	return slices.IndexFunc(nodes, func(n *cluster.Node) bool { return n.Index == index })
}

// Ask calls f, which changes nothing, with the kept connection to a node, and once
// more if that fails: the server may have been started again since.
func Ask[C io.Closer](ctx context.Context, by *Kept[C], n *cluster.Node, f func(C) error) error {
	err := by.Use(ctx, n, f)
	if err != nil && ctx.Err() == nil {
		err = by.Use(ctx, n, f)
	}
	return err
}
