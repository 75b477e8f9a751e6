// Package upgrades keeps the book of which version the server of each node of a run has,
// and replaces servers by those of other versions.
package upgrades

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

const (
	// stopGrace is how long a server may take to shut down before it is killed.
	stopGrace = 10 * time.Second
	// lookEvery is how often is looked whose turn it is, and whether a node has caught up.
	lookEvery = 20 * time.Millisecond
	// askTimeout bounds one question to a node.
	askTimeout = time.Second
)

// Cluster is what the upgrades are of.
type Cluster struct {
	Nodes []*cluster.Node
	// System is the one that the cluster was formed by, Systems those of all versions, by
	// their versions.
	System  targets.System
	Systems map[string]targets.System
	// Starts are the versions that the nodes start with.
	Starts []version.Version
	// Images: nodes have a file system of every version of theirs, see cluster.ServerSpec.Root.
	Images bool
	// Primary is the node that is the primary now; -1: nobody knows of any.
	Primary func() int
}

// Server is what node i runs as a server of a version.
func (c Cluster) Server(v version.Version, i int) cluster.ServerSpec {
	spec := c.Systems[v.String()].Server(c.Nodes, i)
	if c.Images && v.String() != c.Starts[i].String() {
		spec.Root = v.String()
	}
	return spec
}

// Upgrades is the book. It is an engine.Upgrades.
type Upgrades struct {
	c Cluster

	mu    sync.Mutex
	runs  []version.Version
	busy  bool
	queue []*rollout // by when faults first asked; the first one's nodes have their turns
}

// rollout is one fault's upgrades.
type rollout struct {
	fault  string
	left   []int // nodes that have not had their turn
	failed error // of a node that had it
}

// New is the book of a cluster whose nodes run what they started with.
func New(c Cluster) *Upgrades { return &Upgrades{c: c, runs: slices.Clone(c.Starts)} }

// Turn is engine.Upgrades: the nodes of one fault come in their order, but for the primary,
// which comes last.
func (u *Upgrades) Turn(ctx context.Context, a cluster.Action, node int) (func(error), error) {
	u.join(a, node)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		switch mine, err := u.begin(a.ID, node); {
		case err != nil:
			u.leave(a.ID, node, nil)
			return nil, err
		case mine:
			return func(err error) { u.end(a.ID, node, err) }, nil
		}
		select {
		case <-ctx.Done():
			u.leave(a.ID, node, nil)
			return nil, fmt.Errorf("another server was being replaced: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// join puts a fault into the queue, with all its nodes.
func (u *Upgrades) join(a cluster.Action, node int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.find(a.ID) == nil {
		left := slices.Clone(a.Among)
		if len(left) == 0 {
			left = []int{node}
		}
		u.queue = append(u.queue, &rollout{fault: a.ID, left: left})
	}
}

// find is a fault's rollout. The caller holds mu.
func (u *Upgrades) find(fault string) *rollout {
	for _, r := range u.queue {
		if r.fault == fault {
			return r
		}
	}
	return nil
}

// begin takes the turn if it is the node's.
func (u *Upgrades) begin(fault string, node int) (bool, error) {
	primary := u.c.Primary()
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.find(fault)
	switch {
	case r == nil:
		return false, errors.New("its turn is over")
	case r.failed != nil:
		return false, fmt.Errorf("it was left as it is, as one before it failed: %w", r.failed)
	case u.busy || u.queue[0] != r || r.next(primary) != node:
		return false, nil
	}
	u.busy = true
	return true, nil
}

// next is the node whose turn it is.
func (r *rollout) next(primary int) int {
	for _, node := range r.left {
		if node != primary {
			return node
		}
	}
	return r.left[0]
}

func (u *Upgrades) end(fault string, node int, err error) {
	u.mu.Lock()
	u.busy = false
	u.mu.Unlock()
	u.leave(fault, node, err)
}

// leave takes a node out of the queue.
func (u *Upgrades) leave(fault string, node int, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.find(fault)
	if r == nil {
		return
	}
	if err != nil && r.failed == nil {
		r.failed = err
	}
	r.left = slices.DeleteFunc(r.left, func(i int) bool { return i == node })
	if len(r.left) == 0 {
		u.queue = slices.DeleteFunc(u.queue, func(other *rollout) bool { return other == r })
	}
}

// Runs are the versions that the nodes run now.
func (u *Upgrades) Runs() []version.Version {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.runs)
}

// Upgrade is engine.Upgrades.
func (u *Upgrades) Upgrade(ctx context.Context, a cluster.Action, node int) (words string, changed bool, err error) {
	to, err := version.Parse(a.To)
	if err != nil {
		return "", false, err
	}
	runs, n := u.Runs(), u.c.Nodes[node]
	from := runs[node]
	if from.String() == to.String() {
		return fmt.Sprintf("%s ran %s already", n.Name, to), false, nil
	}
	upgrader, ok := u.c.System.(targets.Upgrader)
	if !ok || u.c.Systems[to.String()] == nil {
		return "", false, fmt.Errorf("this target does not know how its servers become %s", to)
	}
	all := make([]int, len(u.c.Nodes))
	for i := range all {
		all[i] = i
	}
	up := targets.Upgrade{Nodes: u.c.Nodes, Members: all, Node: node, From: from, To: to, Runs: runs}
	if err := u.allowed(upgrader, up); err != nil {
		return "", false, err
	}
	if err := upgrader.Prepare(ctx, up); err != nil {
		return "", false, fmt.Errorf("before it: %w", err)
	}
	began := time.Now()
	if _, err := n.Do(ctx, cluster.Action{Kind: cluster.Stop, ID: a.ID, Grace: stopGrace}); err != nil {
		return "", false, fmt.Errorf("stop the server: %w", err)
	}
	if err := n.Start(ctx, u.c.Server(to, node)); err != nil {
		return "", false, fmt.Errorf("start the server of %s: %w", to, err)
	}
	u.mu.Lock()
	u.runs[node] = to
	u.mu.Unlock()
	says, err := u.serves(ctx, node, to)
	if err != nil {
		return "", true, err
	}
	took := time.Since(began).Round(time.Millisecond)
	if after, ok := u.c.System.(targets.Finisher); ok {
		if err := after.Finish(ctx, up); err != nil {
			return "", true, fmt.Errorf("after it: %w", err)
		}
	}
	return fmt.Sprintf("%s ran %s and runs %s, caught up %s after its stop", n.Name, from, says, took), true, nil
}

// allowed asks the target whether a server may be replaced by the other one beside those
// that the other nodes run now.
func (u *Upgrades) allowed(upgrader targets.Upgrader, up targets.Upgrade) error {
	if err := upgrader.Step(up.From, up.To); err != nil {
		return err
	}
	primary := u.c.Primary()
	for _, i := range up.Others() {
		other := up.Runs[i]
		if other.String() == up.To.String() {
			continue
		}
		leads, follows := up.To, other
		if primary != up.Node { // whoever leads, a replica that may not follow it could not be put right by anybody
			leads, follows = other, up.To
		}
		if err := upgrader.Mixed(leads, follows); err != nil {
			return fmt.Errorf("%s runs %s: %w", u.c.Nodes[i].Name, other, err)
		}
	}
	return nil
}

// serves waits until a node's new server is of the version that it has to be, and has caught
// up. It returns what the server says that it is.
func (u *Upgrades) serves(ctx context.Context, node int, to version.Version) (says string, err error) {
	n := u.c.Nodes[node]
	err = kit.Retry(ctx, lookEvery, "wait until "+n.Name+" has caught up as "+to.String(), func() error { return u.caughtUp(ctx, node) })
	if err != nil {
		return "", err
	}
	asked, ok := u.c.Systems[to.String()].(targets.Versioned)
	if !ok {
		return to.String(), nil
	}
	err = kit.Retry(ctx, lookEvery, "ask "+n.Name+" for its version", func() error {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		says, err = asked.Version(ctx, n)
		return err
	})
	if err != nil {
		return "", err
	}
	if runs, ok := version.Find(says); !ok || !to.Covers(runs) {
		return "", fmt.Errorf("it says that it is %q, and not %s", says, to)
	}
	return says, nil
}

// caughtUp tells why a node has not yet its place in the cluster, as settling does: there is
// one primary of the newest epoch, and the node is it or follows it, with all that it had.
func (u *Upgrades) caughtUp(ctx context.Context, node int) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	said, errs := make([]targets.Status, len(u.c.Nodes)), make([]error, len(u.c.Nodes))
	_ = kit.Each(u.c.Nodes, func(i int) error {
		said[i], errs[i] = u.c.System.Status(ctx, u.c.Nodes[i])
		return nil
	})
	if errs[node] != nil {
		return errs[node]
	}
	own, primaries := said[node], []string{}
	for i, st := range said {
		switch {
		case errs[i] != nil: // another fault may have it
		case st.Epoch > own.Epoch:
			return fmt.Errorf("%s is in epoch %d, and %s in %d: %s", u.c.Nodes[node].Name, own.Epoch, u.c.Nodes[i].Name, st.Epoch, own.Detail)
		case st.Epoch == own.Epoch && st.Role == targets.Primary:
			primaries = append(primaries, u.c.Nodes[i].Name)
		}
	}
	switch {
	case !own.Healthy:
		return fmt.Errorf("it is not ready: %s", own.Detail)
	case own.Role == targets.Peer:
		return nil
	case len(primaries) != 1:
		return fmt.Errorf("there is not one primary in its epoch, but %d: %s", len(primaries), strings.Join(primaries, " "))
	}
	return nil
}
