// Package own makes a target of a system of one's own, which aftershock does not
// know: whoever writes it brings a client, and a question for a server's role. The
// example shows all of it.
package own

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// System is a system of one's own. Its servers run already: a plan names them in
// Target.Attach, and has Target in Target.Own.
type System struct {
	Name  string         // of a-z, 0-9 and -
	About string         // one line; may be empty
	Kinds []history.Kind // operations that its clients can do: history.Read, history.Write, …
	Port  int            // of servers whose address names none
	// Connect opens one connection for one worker. What the client does goes by the
	// rules of targets.Client: Fail is said only of what certainly had no effect.
	Connect func(ctx context.Context, s Server, o targets.ClientOptions) (targets.Client, error)
	// Status asks a server for its role: targets.Primary or targets.Replica, or
	// targets.Peer where there is no primary. Healthy says that it serves, and, of a
	// replica, that it has caught up: final reads wait for that. It is called many
	// times a second, from several goroutines, and returns within ctx's deadline.
	Status func(ctx context.Context, s Server) (targets.Status, error)
	// Clean removes all whose name begins with Server.Objects. It is called of every
	// server, also of those that are replicas; nil: the data is left there.
	Clean func(ctx context.Context, s Server) error
}

// Server is one server of the system, as it is reached now.
type Server struct {
	Name    string // the node's
	Addr    string // host:port
	Objects string // what the names of the run's own data have to begin with, "aftershock_…"
}

// Key is the name of an operation's key on the server: no two runs, and no two
// workloads of a run, have one in common.
func (s Server) Key(op *history.Op) string {
	return s.Objects + "_" + string(kit.AppendKey(nil, op))
}

// Target is what Target.Own of a plan takes.
func (s System) Target() targets.Target { return target{s} }

type target struct{ own System }

var _ targets.Attacher = target{}

// Info implements targets.Target.
func (t target) Info() targets.Info {
	return targets.Info{Name: t.own.Name, About: cmp.Or(t.own.About, "a system of one's own"), Kinds: slices.Clone(t.own.Kinds)}
}

// Configure refuses: nobody here can launch it.
func (t target) Configure(targets.Config) (targets.System, error) {
	return nil, errors.New("it can only be attached to: start its servers, and name them in target.attach")
}

// Attach implements targets.Attacher.
func (t target) Attach(c targets.AttachConfig) (targets.Attached, error) {
	switch {
	case t.own.Connect == nil || t.own.Status == nil:
		return nil, errors.New("it has no Connect, or no Status: give it both")
	case len(t.own.Kinds) == 0:
		return nil, errors.New("its clients can do nothing: name their operations in Kinds")
	}
	return &system{own: t.own, objects: c.Objects}, nil
}

// system is the servers that a plan names.
type system struct {
	own     System
	objects string
}

func (s *system) at(n *cluster.Node) Server {
	return Server{Name: n.Name, Addr: kit.ServerAddress(n, s.own.Port), Objects: s.objects}
}

// Server is never called.
func (s *system) Server([]*cluster.Node, int) cluster.ServerSpec { return cluster.ServerSpec{} }

func (s *system) Port() int { return s.own.Port }

// patience is how long Form waits for servers that are just coming up, or failing over.
const patience = 10 * time.Second

// Form makes nothing: it waits until every server has told its role, and one serves.
func (s *system) Form(ctx context.Context, nodes []*cluster.Node) error {
	return kit.Insist(ctx, kit.LookEvery, patience, func(ctx context.Context) error {
		serving := make([]bool, len(nodes))
		err := kit.Each(nodes, func(i int) error {
			bounded, cancel := context.WithTimeout(ctx, kit.LookTimeout)
			defer cancel()
			status, err := s.Status(bounded, nodes[i])
			serving[i] = status.Role == targets.Primary || status.Role == targets.Peer
			return err
		})
		if err == nil && !slices.Contains(serving, true) {
			err = errors.New("there is no primary, every node is a replica: wait until the system has one, or name the node that is missing")
		}
		return err
	})
}

func (s *system) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	status, err := s.own.Status(ctx, s.at(n))
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its status: %w", n.Name, err)
	}
	switch status.Role {
	case targets.Primary, targets.Replica, targets.Peer:
		return status, nil
	}
	return targets.Status{}, fmt.Errorf("ask %s for its status: Status answers the role %q: it has to be primary, replica or peer", n.Name, status.Role)
}

// ClientStatus is the same: there is one way.
func (s *system) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	return s.Status(ctx, n)
}

func (s *system) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	return s.connect(ctx, s.at(n), o)
}

func (s *system) connect(ctx context.Context, at Server, o targets.ClientOptions) (targets.Client, error) {
	if o.ConnectTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.ConnectTimeout)
		defer cancel()
	}
	c, err := s.own.Connect(ctx, at, o)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cmp.Or(at.Name, at.Addr), err)
	}
	if c == nil {
		return nil, fmt.Errorf("connect to %s: Connect answers neither a client nor an error", cmp.Or(at.Name, at.Addr))
	}
	return c, nil
}

// Enter tries a door's addresses in turn. Where it leads cannot be known.
func (s *system) Enter(ctx context.Context, d targets.Door, _ []*cluster.Node, o targets.ClientOptions) (targets.Client, int, error) {
	var failed error
	for _, addr := range d.Addrs {
		c, err := s.connect(ctx, Server{Addr: addr, Objects: s.objects}, o)
		if err == nil {
			return c, -1, nil
		}
		failed = kit.Also(failed, err)
	}
	return nil, -1, failed
}

// Remove cleans every server.
func (s *system) Remove(ctx context.Context, nodes []*cluster.Node) error {
	if s.own.Clean == nil {
		return nil
	}
	return kit.Each(nodes, func(i int) error {
		if err := s.own.Clean(ctx, s.at(nodes[i])); err != nil {
			return fmt.Errorf("clean %s: %w", nodes[i].Name, err)
		}
		return nil
	})
}

// Left knows of nothing: only the system could tell.
func (s *system) Left(context.Context, []*cluster.Node) ([]string, error) { return nil, nil }

// Settings knows of none.
func (s *system) Settings(context.Context, *cluster.Node) ([]targets.Setting, error) {
	return nil, nil
}
