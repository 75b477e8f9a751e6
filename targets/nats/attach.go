package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	driver "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Attached is NATS JetStream that somebody else runs. The run's streams are its own, in
// the account of the plan's user. Roles are those of one of them: a server is the primary
// if it leads that. All is asked by clients' connections; servers need no monitoring port.
type Attached struct {
	access  targets.Access
	objects string
	of      *System // of the clients

	clients, operators kit.Kept[*asker]
	whose              kit.Whose
	made               kit.Made
}

var (
	_ targets.Attached  = (*Attached)(nil)
	_ targets.Versioned = (*Attached)(nil)
)

const (
	patience  = 5 * time.Second  // of Form, with a deployment that is just electing
	electing  = 15 * time.Second // of Remove: after a death a new leader of all is elected in 4 to 9 s, before which none answers
	runs      = "aftershock_"    // begins the names of all runs' objects
	mostOwn   = 5                // copies of a stream, at most
	fewCopies = 3                // where the servers are of an even number
)

// asker is a kept connection, for questions.
type asker struct{ *driver.Conn }

// Close closes the connection.
func (a *asker) Close() error {
	a.Conn.Close()
	return nil
}

// Attach implements targets.Attacher. Without a user clients are in the account of those
// that name none.
func (t Target) Attach(c targets.AttachConfig) (targets.Attached, error) {
	o, err := kit.AttachOptions(t.Info(), c.Config, optReplicas, optStorage, optAllowDirect, optAckWait, optLeaderOf)
	if err != nil {
		return nil, err
	}
	if c.Access.Database != "" {
		return nil, errors.New("target.connect.database: NATS has accounts, and a user has one: take database away")
	}
	for _, d := range c.Access.Doors {
		if err := checkDoor(d); err != nil {
			return nil, err
		}
	}
	set := setting{copies: copiesOn(1 + c.Replicas), memory: o[optStorage] == wordMemory, direct: o[optAllowDirect] == wordTrue,
		queueLeads: o[optLeaderOf] == wordQueue, streams: streamsOf(c.Objects)}
	if o[optReplicas] != wordAuto {
		if set.copies, err = o.Int(optReplicas, 1, mostOwn); err != nil {
			return nil, err
		}
	}
	if set.ackWait, err = o.Duration(optAckWait, minAckWait, maxAckWait); err != nil {
		return nil, err
	}
	s := &Attached{access: c.Access, objects: c.Objects, of: newSystem(set)}
	s.clients.Dial, s.operators.Dial = s.straight, s.byOperator
	return s, nil
}

// copiesOn is how many copies so many servers have of a stream: an odd number.
func copiesOn(servers int) int {
	switch {
	case servers <= 2:
		return 1
	case servers >= mostOwn:
		return mostOwn
	}
	return fewCopies
}

func checkDoor(d targets.Door) error {
	switch {
	case d.Kind != name:
		return fmt.Errorf("target.connect: %s:// leads to no NATS: write nats://host:port", d.Kind)
	case len(d.Addrs) == 0 || d.Name != "":
		return errors.New("target.connect: write nats://host:port, with nothing behind it")
	}
	return nil
}

// Port is the servers' own for clients, where a place knows none.
func (*Attached) Port() int { return clientPort }

// Server is never called: the servers run already.
func (*Attached) Server([]*cluster.Node, int) cluster.ServerSpec { return cluster.ServerSpec{} }

// Close closes the kept connections.
func (s *Attached) Close() error { return errors.Join(s.clients.Close(), s.operators.Close()) }

// open opens a connection to one server, as the plan says that clients come in.
func (s *Attached) open(ctx context.Context, way kit.DialFunc, addr string) (*driver.Conn, error) {
	var more []driver.Option
	if s.access.User != "" || s.access.Password != "" {
		more = append(more, driver.UserInfo(s.access.User, s.access.Password))
	}
	if s.access.TLS != nil {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		more = append(more, driver.Secure(kit.NamedTLS(s.access.TLS, host)))
	}
	return connect(ctx, addr, dialFunc(way), more...)
}

func (s *Attached) straight(ctx context.Context, n *cluster.Node) (*asker, error) {
	return s.ask(ctx, new(net.Dialer).DialContext, n)
}

func (s *Attached) byOperator(ctx context.Context, n *cluster.Node) (*asker, error) {
	return kit.ByEither(ctx, n, clientPort, func(ctx context.Context, way kit.DialFunc) (*asker, error) { return s.ask(ctx, way, n) })
}

func (s *Attached) ask(ctx context.Context, way kit.DialFunc, n *cluster.Node) (*asker, error) {
	conn, err := s.open(ctx, way, kit.ServerAddress(n, clientPort))
	if err != nil {
		return nil, err
	}
	return &asker{conn}, nil
}

// Connect opens a connection straight to a server.
func (s *Attached) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	ctx, way, cancel := kit.Connecting(ctx, o)
	defer cancel()
	conn, err := s.open(ctx, way, kit.ServerAddress(n, clientPort))
	var c *Client
	if err == nil {
		c, err = s.of.clientOf(conn, o)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to nats-server on %s: %w", n.Name, err)
	}
	return c, nil
}

// Enter opens one connection through a door; its addresses are tried in turn. The
// server at its end says which one it is.
func (s *Attached) Enter(ctx context.Context, d targets.Door, nodes []*cluster.Node, o targets.ClientOptions) (targets.Client, int, error) {
	if err := checkDoor(d); err != nil {
		return nil, -1, err
	}
	ctx, way, cancel := kit.Connecting(ctx, o)
	defer cancel()
	var errs error
	for _, addr := range d.Addrs {
		conn, err := s.open(ctx, way, addr)
		var c *Client
		if err == nil {
			c, err = s.of.clientOf(conn, o)
		}
		if err == nil {
			return c, s.whose.Find(ctx, conn.ConnectedServerId(), nodes, s.identity), nil
		}
		errs = kit.Also(errs, fmt.Errorf("%s: %w", addr, err))
	}
	return nil, -1, fmt.Errorf("connect to nats-server: %w", errs)
}

// identity is what no other server has, and this one not again after a new start.
func (s *Attached) identity(ctx context.Context, n *cluster.Node) (id string, err error) {
	err = kit.Ask(ctx, &s.clients, n, func(c *asker) error {
		if id = c.ConnectedServerId(); id == "" {
			return driver.ErrConnectionClosed
		}
		return nil
	})
	return id, err
}

// Version is what the server says as a connection begins.
func (s *Attached) Version(ctx context.Context, n *cluster.Node) (v string, err error) {
	err = kit.Ask(ctx, &s.clients, n, func(c *asker) error {
		if v = c.ConnectedServerVersion(); v == "" {
			return driver.ErrConnectionClosed
		}
		return nil
	})
	return v, err
}

// Form makes the run's streams, and waits until every server that has a copy of them
// tells that it has it. Before, it looks whether all servers answer, and changes nothing
// if one does not.
func (s *Attached) Form(ctx context.Context, nodes []*cluster.Node) error {
	s.made.Begin()
	if len(nodes) == 0 {
		return errors.New("look at the deployment: there are no nodes")
	}
	err := kit.Insist(ctx, kit.LookEvery, patience, func(ctx context.Context) error {
		for _, look := range []func(context.Context, *cluster.Node) error{s.reach, s.free} {
			err := kit.Each(nodes, func(i int) error {
				bounded, cancel := context.WithTimeout(ctx, kit.LookTimeout)
				defer cancel()
				return look(bounded, nodes[i])
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at the deployment: %w", err)
	}
	err = s.operators.Use(ctx, nodes[0], func(c *asker) error {
		s.made.Something() // whatever becomes of it
		for _, config := range []jetstream.StreamConfig{s.of.bucketConfig(""), s.of.queueConfig("")} {
			config.Placement = nil // wherever the servers choose
			if err := makeStream(ctx, c.Conn, config); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("make the run's streams on %s: %w", nodes[0].Name, err)
	}
	return kit.Each(nodes, func(i int) error {
		return kit.Retry(ctx, kit.LookEvery, "wait until "+nodes[i].Name+" has the run's streams", func() error {
			st, err := s.Status(ctx, nodes[i])
			if err == nil && !st.Healthy {
				err = errors.New(st.Detail)
			}
			return err
		})
	})
}

func makeStream(ctx context.Context, nc *driver.Conn, config jetstream.StreamConfig) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := js.CreateStream(ctx, config); err != nil {
		if said := nc.LastError(); said != nil { // what is not permitted has no other answer
			err = fmt.Errorf("%w (the server says: %w)", err, said)
		}
		return fmt.Errorf("the stream %s: %w", config.Name, err)
	}
	return nil
}

// reach opens a connection to a server.
func (s *Attached) reach(ctx context.Context, n *cluster.Node) error {
	err := kit.Ask(ctx, &s.operators, n, func(c *asker) error {
		if !c.IsConnected() {
			return driver.ErrConnectionClosed
		}
		return nil
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, driver.ErrAuthorization), errors.Is(err, driver.ErrAuthExpired):
		return kit.ForGood(fmt.Errorf("%s: %w: correct user and password in target.connect", at(n), err))
	}
	return fmt.Errorf("%s: %w", at(n), kit.Unanswered(err))
}

func at(n *cluster.Node) string {
	return fmt.Sprintf("%s at %s", n.Name, kit.ServerAddress(n, clientPort))
}

// free asks through a server whether JetStream has nothing under the run's names.
func (s *Attached) free(ctx context.Context, n *cluster.Node) error {
	err := kit.Ask(ctx, &s.operators, n, func(c *asker) error {
		_, err := streamInfo(ctx, c.Conn, s.of.bucket)
		return err
	})
	var said *jetstream.APIError
	switch {
	case err == nil:
		return kit.ForGood(fmt.Errorf("the stream %s is there already: an earlier run left it: aftershock clean --attach PLAN", s.of.bucket))
	case errors.As(err, &said) && said.ErrorCode == codeNoStream:
		return nil
	case errors.Is(err, driver.ErrNoResponders), errors.As(err, &said):
		return fmt.Errorf("%s: JetStream is not there (%w): turn it on (jetstream {}), also for the account of the plan's user", at(n), err)
	}
	return fmt.Errorf("%s: JetStream does not answer (%w): does it have a leader?", at(n), err)
}

// Remove deletes the run's streams through the first server that answers. After a Form
// that came to make none there is nothing to do.
func (s *Attached) Remove(ctx context.Context, nodes []*cluster.Node) error {
	if s.made.None() {
		return nil
	}
	err := kit.Insist(ctx, kit.LookEvery, electing, func(ctx context.Context) error {
		return s.byAny(ctx, nodes, func(ctx context.Context, js jetstream.JetStream) error {
			for _, stream := range []string{s.of.bucket, s.of.queue} {
				if err := js.DeleteStream(ctx, stream); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
					return fmt.Errorf("delete %s: %w", stream, err)
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("remove the streams of %s: %w", s.objects, err)
	}
	return nil
}

// Left lists what other runs have left, by the names of their streams.
func (s *Attached) Left(ctx context.Context, nodes []*cluster.Node) ([]string, error) {
	var left []string
	err := s.byAny(ctx, nodes, func(ctx context.Context, js jetstream.JetStream) error {
		left = nil
		list := js.StreamNames(ctx)
		for stream := range list.Name() {
			objects := strings.TrimSuffix(strings.TrimPrefix(stream, bucketPrefix), queueSuffix)
			if strings.HasPrefix(objects, runs) && objects != s.objects {
				left = append(left, objects)
			}
		}
		return list.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("look for streams %s…: %w", runs, err)
	}
	slices.Sort(left)
	return slices.Compact(left), nil
}

// byAny has a server do something, the next if that fails.
func (s *Attached) byAny(ctx context.Context, nodes []*cluster.Node, f func(context.Context, jetstream.JetStream) error) error {
	errs := error(nil)
	for _, n := range nodes {
		err := kit.Ask(ctx, &s.operators, n, func(c *asker) error {
			js, err := jetstream.New(c.Conn)
			if err != nil {
				return err
			}
			bounded, cancel := context.WithTimeout(ctx, kit.LookTimeout)
			defer cancel()
			return f(bounded, js)
		})
		if err == nil {
			return nil
		}
		errs = kit.Also(errs, fmt.Errorf("%s: %w", n.Name, err))
	}
	return errs
}
