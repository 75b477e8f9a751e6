package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/namespace"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var _ targets.Attacher = Target{}

// Attached is etcd that somebody else runs.
type Attached struct {
	access       targets.Access
	objects      string
	serializable bool

	clients, operators kit.Kept[*conn]
	whose              kit.Whose
	made               kit.Made
}

var (
	_ targets.Attached  = (*Attached)(nil)
	_ targets.Versioned = (*Attached)(nil)
)

const (
	patience = 5 * time.Second // of Form, with a cluster that is just electing
	// runs begins the keys by which runs are known; a run's own begin with its name.
	runs = "aftershock:runs/"
)

// Attach implements targets.Attacher.
func (t Target) Attach(c targets.AttachConfig) (targets.Attached, error) {
	o, err := kit.AttachOptions(t.Info(), c.Config, optReads)
	if err != nil {
		return nil, err
	}
	if c.Access.User != "" || c.Access.Password != "" || c.Access.Database != "" {
		return nil, errors.New("target.connect: clients of etcd log in by a certificate here: take user, password and database away, and give tls, cert and key")
	}
	for _, d := range c.Access.Doors {
		if err := checkDoor(d); err != nil {
			return nil, err
		}
	}
	s := &Attached{access: c.Access, objects: c.Objects, serializable: o[optReads] == serializable}
	if s.access.TLS != nil {
		s.access.TLS = s.access.TLS.Clone()
		s.access.TLS.NextProtos = []string{"h2"} // gRPC asks for it
	}
	s.clients.Dial, s.operators.Dial = s.straight, s.byOperator
	return s, nil
}

func checkDoor(d targets.Door) error {
	switch {
	case d.Kind != "etcd":
		return fmt.Errorf("target.connect: %s:// leads to no etcd: write etcd://host:port", d.Kind)
	case len(d.Addrs) == 0 || d.Name != "":
		return errors.New("target.connect: write etcd://host:port, with nothing behind it")
	}
	return nil
}

// Port is the members' own for clients, where a place knows none.
func (*Attached) Port() int { return clientPort }

// Server is never called: the members run already.
func (*Attached) Server([]*cluster.Node, int) cluster.ServerSpec { return cluster.ServerSpec{} }

// Close closes the kept connections.
func (s *Attached) Close() error { return errors.Join(s.clients.Close(), s.operators.Close()) }

func (s *Attached) dial(ctx context.Context, way kit.DialFunc, addr string) (*conn, error) {
	tcp, err := way(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	if tcp, err = kit.Secure(ctx, tcp, s.access.TLS, host); err != nil {
		return nil, err
	}
	return open(ctx, tcp)
}

func (s *Attached) straight(ctx context.Context, n *cluster.Node) (*conn, error) {
	return s.dial(ctx, new(net.Dialer).DialContext, kit.ServerAddress(n, clientPort))
}

func (s *Attached) byOperator(ctx context.Context, n *cluster.Node) (*conn, error) {
	return kit.ByEither(ctx, n, clientPort, func(ctx context.Context, way kit.DialFunc) (*conn, error) {
		return s.dial(ctx, way, kit.ServerAddress(n, clientPort))
	})
}

// ours makes of a connection one that has the run's own keys alone.
func (s *Attached) ours(c *conn, o targets.ClientOptions) *client {
	c.kv = namespace.NewKV(c.kv, s.objects+"/")
	return &client{conn: c, timeout: kit.OpTimeout(o), serializable: s.serializable, values: o.Values}
}

// Connect opens a connection straight to a member.
func (s *Attached) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	ctx, way, cancel := kit.Connecting(ctx, o)
	defer cancel()
	c, err := s.dial(ctx, way, kit.ServerAddress(n, clientPort))
	if err != nil {
		return nil, fmt.Errorf("connect to etcd on %s: %w", n.Name, err)
	}
	return s.ours(c, o), nil
}

// Enter opens one connection through a door; its addresses are tried in turn. The
// member at its end says which one it is.
func (s *Attached) Enter(ctx context.Context, d targets.Door, nodes []*cluster.Node, o targets.ClientOptions) (targets.Client, int, error) {
	if err := checkDoor(d); err != nil {
		return nil, -1, err
	}
	ctx, way, cancel := kit.Connecting(ctx, o)
	defer cancel()
	var errs error
	for _, addr := range d.Addrs {
		c, err := s.dial(ctx, way, addr)
		var its *clientv3.StatusResponse
		if err == nil {
			if its, err = c.maintenance.Status(ctx, ""); err != nil {
				_ = c.Close() // the error that counts is the first
			}
		}
		if err == nil {
			return s.ours(c, o), s.whose.Find(ctx, memberID(its), nodes, s.identity), nil
		}
		errs = kit.Also(errs, fmt.Errorf("%s: %w", addr, err))
	}
	return nil, -1, fmt.Errorf("connect to etcd: %w", errs)
}

func memberID(a *clientv3.StatusResponse) string { return strconv.FormatUint(a.Header.MemberId, 16) }

func (s *Attached) identity(ctx context.Context, n *cluster.Node) (string, error) {
	a, err := ask(ctx, &s.clients, n)
	if err != nil {
		return "", err
	}
	return memberID(a), nil
}

// Status asks a member by the operator's way, or straight where that does not work.
func (s *Attached) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	answer, err := ask(ctx, &s.operators, n)
	return status(answer), err
}

// ClientStatus asks a member over the clients' network.
func (s *Attached) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	answer, err := ask(ctx, &s.clients, n)
	return status(answer), err
}

// Version is what the member says in its status.
func (s *Attached) Version(ctx context.Context, n *cluster.Node) (string, error) {
	answer, err := ask(ctx, &s.clients, n)
	if err != nil {
		return "", err
	}
	return answer.Version, nil
}

// begun is the key that a run begins with.
func (s *Attached) begun() string { return runs + s.objects }

// Form makes the run's first key, and waits until every member shows it.
func (s *Attached) Form(ctx context.Context, nodes []*cluster.Node) error {
	s.made.Begin()
	var leader *cluster.Node
	err := kit.Insist(ctx, kit.LookEvery, patience, func(ctx context.Context) (err error) {
		leader, err = kit.ThePrimary(ctx, nodes, clientPort, s.Status)
		return err
	})
	if err != nil {
		return fmt.Errorf("look at the deployment: %w", err)
	}
	err = s.operators.Use(ctx, leader, func(c *conn) error {
		s.made.Something() // whatever becomes of it
		answer, err := c.kv.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(s.begun()), "=", 0)).Then(clientv3.OpPut(s.begun(), "")).Commit()
		if err == nil && !answer.Succeeded {
			s.made.Nothing() // that is another's
			err = fmt.Errorf("%s is there already: an earlier run left it: aftershock clean --attach PLAN", s.begun())
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("make the run's first key on %s: %w", leader.Name, err)
	}
	return kit.Each(nodes, func(i int) error {
		return kit.Retry(ctx, kit.LookEvery, "wait until "+nodes[i].Name+" shows the run's first key", func() error { return s.shows(ctx, nodes[i]) })
	})
}

// shows tells whether a member has the run's first key itself.
func (s *Attached) shows(ctx context.Context, n *cluster.Node) error {
	bounded, cancel := context.WithTimeout(ctx, kit.LookTimeout)
	defer cancel()
	return s.operators.Use(bounded, n, func(c *conn) error {
		answer, err := c.kv.Get(bounded, s.begun(), clientv3.WithSerializable())
		if err == nil && len(answer.Kvs) == 0 {
			err = errors.New("it does not: a member that does not hear of the others?")
		}
		return err
	})
}

// Remove takes the run's keys away, that last by which it is known. After a Form that
// came to make none there is nothing to do.
func (s *Attached) Remove(ctx context.Context, nodes []*cluster.Node) error {
	if s.made.None() {
		return nil
	}
	err := s.byAny(ctx, nodes, func(c *conn) error {
		if _, err := c.kv.Delete(ctx, s.objects+"/", clientv3.WithPrefix()); err != nil {
			return err
		}
		_, err := c.kv.Delete(ctx, s.begun())
		return err
	})
	if err != nil {
		return fmt.Errorf("remove the keys %s/: %w", s.objects, err)
	}
	return nil
}

// Left lists what other runs have left, by the keys that they began with.
func (s *Attached) Left(ctx context.Context, nodes []*cluster.Node) ([]string, error) {
	var left []string
	err := s.byAny(ctx, nodes, func(c *conn) error {
		left = nil
		answer, err := c.kv.Get(ctx, runs, clientv3.WithPrefix(), clientv3.WithKeysOnly())
		if err != nil {
			return err
		}
		for _, kv := range answer.Kvs {
			if name := strings.TrimPrefix(string(kv.Key), runs); name != s.objects {
				left = append(left, name)
			}
		}
		return nil
	})
	slices.Sort(left)
	if err != nil {
		return nil, fmt.Errorf("look for keys %s: %w", runs, err)
	}
	return left, nil
}

// byAny has a member do something, the next if that fails.
func (s *Attached) byAny(ctx context.Context, nodes []*cluster.Node, f func(*conn) error) error {
	var errs error
	for _, n := range nodes {
		err := kit.Ask(ctx, &s.operators, n, f)
		if err == nil {
			return nil
		}
		errs = kit.Also(errs, fmt.Errorf("%s: %w", n.Name, err))
	}
	return errs
}

// Settings tells what a member says of itself. Its flags it does not tell.
func (s *Attached) Settings(ctx context.Context, n *cluster.Node) ([]targets.Setting, error) {
	var list []targets.Setting
	err := kit.Ask(ctx, &s.clients, n, func(c *conn) error {
		a, err := c.maintenance.Status(ctx, "")
		if err != nil {
			return err
		}
		all, err := clientv3.NewClusterFromClusterClient(c.members, nil).MemberList(ctx)
		if err != nil {
			return err
		}
		voters := 0
		for _, m := range all.Members {
			if !m.IsLearner {
				voters++
			}
		}
		list = []targets.Setting{
			{Name: "version", Value: a.Version},
			{Name: "role", Value: string(status(a).Role)},
			{Name: "voting members", Value: strconv.Itoa(voters), Warning: fewVoters(voters)},
			{Name: "database", Value: units.Bytes(float64(a.DbSize))},
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s for its settings: %w", n.Name, err)
	}
	return list, nil
}

func fewVoters(n int) string {
	switch {
	case n < 3:
		return "no member may fail: without all of them nothing is acknowledged"
	case n%2 == 0:
		return "no more members may fail than with one less"
	}
	return ""
}
