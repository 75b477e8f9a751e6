// Package guests has what the places share that bring guests to nodes which somebody
// else runs (compose, hosts over ssh, pods): a deployment's beginning and end and what
// it tells, a node's state that others wait for, and the network rules that follow
// nodes to new addresses and new guests. What each place finds and how its guests come
// is its own.
package guests

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/cluster"
)

const (
	changesBuffered = 1024
	exitsBuffered   = 256
)

// Errors of nodes and deployments.
var (
	ErrUninvited = errors.New("no guest was invited")
	ErrInvited   = errors.New("guests were invited already")
	ErrDown      = errors.New("it does not run")
)

// Deployment is the part of a cluster.Deployment that all places have alike. It is
// made by NewDeployment and not copied.
type Deployment struct {
	Log *slog.Logger
	// Context lasts from Find to Close, and Background is what works until then.
	Context    context.Context
	Background sync.WaitGroup

	cancel  context.CancelFunc
	nodes   []Member
	public  []*cluster.Node
	changes chan cluster.Change

	mu      sync.Mutex
	invited bool
	closing bool
	moves   int // how often a node has got another address
}

// Member is a node of a Deployment, as that has to know it.
type Member interface {
	base() *Node
	// Can says why an action cannot be done.
	Can(ctx context.Context, kind cluster.ActionKind) error
	// Invite brings the first guests.
	Invite(ctx context.Context) error
}

// NewDeployment begins one, without nodes; ctx's end does not end it. The logger may be nil.
func NewDeployment(ctx context.Context, log *slog.Logger) *Deployment {
	if log == nil {
		log = slog.Default()
	}
	d := &Deployment{Log: log, changes: make(chan cluster.Change, changesBuffered)}
	d.Context, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return d
}

// Add adds a node that NewNode made, in the cluster's order, before anything else is
// asked of the deployment.
func (d *Deployment) Add(m Member) {
	d.nodes, d.public = append(d.nodes, m), append(d.public, m.base().Public)
}

// Nodes implements cluster.Cluster.
func (d *Deployment) Nodes() []*cluster.Node { return d.public }

// Changes implements cluster.Deployment.
func (d *Deployment) Changes() <-chan cluster.Change { return d.changes }

// Tell delivers a change, until End. Who takes none for very long loses the rest.
func (d *Deployment) Tell(c cluster.Change) {
	d.Log.Info("attached node", "node", d.public[c.Node].Name, "what", c.Kind, "detail", c.Detail)
	select {
	case d.changes <- c:
	default:
		d.Log.Warn("nobody takes what happens to the deployment; this is lost", "node", c.Node, "what", c.Kind)
	}
}

// Invite implements cluster.Deployment: prepare is done once, then every node is
// invited at the same time. The second time is ErrInvited, as is one after End.
func (d *Deployment) Invite(ctx context.Context, prepare func(context.Context) error) error {
	d.mu.Lock()
	if d.invited || d.closing {
		d.mu.Unlock()
		return ErrInvited
	}
	d.invited = true
	d.Background.Add(1) // End waits
	d.mu.Unlock()
	defer d.Background.Done()
	if err := prepare(ctx); err != nil {
		return err
	}
	all, each := errgroup.WithContext(ctx)
	for _, m := range d.nodes {
		all.Go(func() error {
			if err := m.Invite(each); err != nil {
				return fmt.Errorf("bring a guest to %s: %w", m.base().Public.Name, err)
			}
			return nil
		})
	}
	return all.Wait()
}

// Invited tells whether guests are wanted.
func (d *Deployment) Invited() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.invited && !d.closing
}

// Can implements cluster.Deployment.
func (d *Deployment) Can(ctx context.Context, kind cluster.ActionKind) error {
	for _, m := range d.nodes {
		if err := m.Can(ctx, kind); err != nil {
			return fmt.Errorf("%s on %s: %w: %w", kind, m.base().Public.Name, cluster.ErrCannot, err)
		}
	}
	return nil
}

// Generation counts how often a node has moved: who has resolved rules under one and
// finds another afterwards resolves them again.
func (d *Deployment) Generation() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moves
}

// Moved has the other nodes' rules follow a node that has other addresses now.
func (d *Deployment) Moved(ctx context.Context, moved *Node) {
	d.mu.Lock()
	d.moves++
	d.mu.Unlock()
	for _, m := range d.nodes {
		n := m.base()
		if n == moved || !n.Rules.Wished() {
			continue
		}
		n.Mu.Lock()
		guest := n.ruler()
		n.Mu.Unlock()
		if guest == nil {
			continue // a guest to come gets the rules by the addresses of then
		}
		if err := n.Rules.Apply(ctx, guest); err != nil {
			d.Log.Warn("the rules do not follow a node that has moved", "on", n.Public.Name, "moved", moved.Public.Name, "error", err)
		}
	}
}

// End begins the deployment's end and waits for the background's; false: somebody has
// ended it before. Then the place has its guests go, all at once, and calls Ended.
func (d *Deployment) End() (first bool) {
	d.mu.Lock()
	first = !d.closing
	d.closing = true
	d.mu.Unlock()
	if first {
		d.Stop()
		d.Background.Wait()
	}
	return first
}

// Stop ends Context, and with it what works in the background. Guests stay as they are.
func (d *Deployment) Stop() { d.cancel() }

// Ended closes what Changes delivers.
func (d *Deployment) Ended() { close(d.changes) }
