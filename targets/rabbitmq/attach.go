package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var _ targets.Attacher = Target{}

// Attached is RabbitMQ that somebody else runs.
type Attached struct {
	login    *login
	objects  string
	port     int
	patience time.Duration
	of       *System // of the clients, and of the kept connections
	told     *told

	clients, operators kit.Kept[*Client]
	noting             sync.Mutex
	names              []string // of queues that are noted in the run's first one
	made               kit.Made
}

var (
	_ targets.Attached  = (*Attached)(nil)
	_ targets.Versioned = (*Attached)(nil)
)

const (
	runs     = "aftershock_"   // begins the names of all runs' queues
	patience = 5 * time.Second // of Form, with a deployment that is just failing over
)

// Attach implements targets.Attacher. Without a user it is "guest", without a
// database, which is a virtual host, "/"; a certificate alone logs in by EXTERNAL.
func (t Target) Attach(c targets.AttachConfig) (targets.Attached, error) {
	o, err := kit.AttachOptions(t.Info(), c.Config, optQueue, optConfirms)
	if err != nil {
		return nil, err
	}
	if o[optQueue] == mirrored {
		return nil, fmt.Errorf("target.options.%s: a policy of whoever runs the servers mirrors queues: set it there and write %s: %s", optQueue, optQueue, classic)
	}
	for _, d := range c.Access.Doors {
		if err := checkDoor(d, c.Access); err != nil {
			return nil, err
		}
	}
	s := &Attached{login: &login{Access: c.Access}, objects: c.Objects, port: port, patience: patience}
	if c.Access.TLS != nil {
		s.port = tlsPort
	}
	s.of = &System{queue: o[optQueue], confirms: o[optConfirms] == "true", prefix: c.Objects + ".", noted: s.note}
	s.told = newTold(s.login.vhost(""), c.Objects)
	s.clients.Dial, s.operators.Dial = s.straight, s.byOperator
	return s, nil
}

func checkDoor(d targets.Door, a targets.Access) error {
	switch {
	case d.Kind != "amqp" && d.Kind != "amqps":
		return fmt.Errorf("target.connect: %s:// leads to no RabbitMQ: write amqp://host:port/vhost", d.Kind)
	case len(d.Addrs) == 0:
		return fmt.Errorf("target.connect: %s:// without an address: write %[1]s://host:port/vhost", d.Kind)
	case d.Name != "" && a.Database != "" && d.Name != a.Database:
		return fmt.Errorf("target.connect: the door leads to the virtual host %q, and the database is %q: name one", d.Name, a.Database)
	}
	return nil
}

// Port is the servers' own, where a place knows none.
func (s *Attached) Port() int { return s.port }

// Server is never called: the servers run already.
func (*Attached) Server([]*cluster.Node, int) cluster.ServerSpec { return cluster.ServerSpec{} }

// Close closes the kept connections and asks nobody any more.
func (s *Attached) Close() error {
	s.told.close()
	_, _ = s.clients.Close(), s.operators.Close() // a goodbye that nobody hears loses nothing
	return nil
}

// short bounds the kept connections' questions.
var short = targets.ClientOptions{OpTimeout: kit.LookTimeout}

func (s *Attached) dial(ctx context.Context, way kit.DialFunc, addr, vhost string, o targets.ClientOptions) (*Client, error) {
	raw, err := s.login.open(ctx, way, addr)
	if err != nil {
		return nil, err
	}
	c, err := s.of.begin(ctx, raw, s.login.config(vhost), o)
	if err != nil {
		return nil, s.login.explain(err, vhost)
	}
	return c, nil
}

func (s *Attached) straight(ctx context.Context, n *cluster.Node) (*Client, error) {
	return s.dial(ctx, new(net.Dialer).DialContext, kit.ServerAddress(n, s.port), "", short)
}

func (s *Attached) byOperator(ctx context.Context, n *cluster.Node) (*Client, error) {
	return kit.ByEither(ctx, n, s.port, func(ctx context.Context, way kit.DialFunc) (*Client, error) {
		return s.dial(ctx, way, kit.ServerAddress(n, s.port), "", short)
	})
}

// Connect opens a connection straight to a node.
func (s *Attached) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	ctx, way, cancel := kit.Connecting(ctx, o)
	defer cancel()
	c, err := s.dial(ctx, way, kit.ServerAddress(n, s.port), "", o)
	if err != nil {
		return nil, fmt.Errorf("connect to RabbitMQ on %s: %w", n.Name, err)
	}
	return c, nil
}

// Enter opens one connection through a door; its addresses are tried in turn. To
// which node it leads AMQP does not tell, unless the door is a node's own address.
func (s *Attached) Enter(ctx context.Context, d targets.Door, nodes []*cluster.Node, o targets.ClientOptions) (targets.Client, int, error) {
	if err := checkDoor(d, s.login.Access); err != nil {
		return nil, -1, err
	}
	if d.Kind == "amqps" && s.login.TLS == nil {
		return nil, -1, errors.New("target.connect: amqps:// speaks TLS: set target.connect.tls")
	}
	ctx, way, cancel := kit.Connecting(ctx, o)
	defer cancel()
	var failed error
	for _, addr := range d.Addrs {
		c, err := s.dial(ctx, way, addr, d.Name, o)
		if err == nil {
			return c, slices.IndexFunc(nodes, func(n *cluster.Node) bool { return kit.ServerAddress(n, s.port) == addr }), nil
		}
		failed = kit.Also(failed, fmt.Errorf("enter by %s: %w", addr, err))
	}
	return nil, -1, failed
}

// use calls f with a kept connection within ctx and a time: the driver's calls end
// with their connection.
func use(ctx context.Context, by *kit.Kept[*Client], n *cluster.Node, within time.Duration, f func(c *Client) error) error {
	return by.Use(ctx, n, func(c *Client) error {
		bounded, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		stop := context.AfterFunc(bounded, func() { _ = c.raw.Close() })
		err := f(c)
		if !stop() { // whatever the driver makes of it
			err = bounded.Err()
		}
		return err
	})
}

// serves asks a node something that no other has to be asked for.
func (s *Attached) serves(ctx context.Context, by *kit.Kept[*Client], n *cluster.Node) error {
	once := func() error {
		return use(ctx, by, n, kit.LookTimeout, func(c *Client) error { return c.ch.Qos(1, 0, false) })
	}
	err := once()
	if errors.Is(err, amqp.ErrClosed) && ctx.Err() == nil {
		err = once() // the kept connection had ended before
	}
	return err
}

// ClientStatus asks a node over the clients' network whether it serves. Who leads
// the first queue, and in which term, is what the node itself last told to
// rabbitmqctl, a second or two ago; where that cannot be run every node is a peer.
func (s *Attached) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	facts := s.told.role(n)
	if err := s.serves(ctx, &s.clients, n); err != nil {
		return targets.Status{}, fmt.Errorf("ask %s whether it serves: %w", n.Name, err)
	}
	if facts["ready"] == "true" {
		return role(facts)
	}
	return targets.Status{Role: targets.Peer, Eligible: true}, nil
}

// Status asks a node by rabbitmqctl, or whether it serves AMQP where that cannot be
// run. rabbitmqctl takes longer than a status may: until it has answered there is none.
func (s *Attached) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	facts, err := s.told.fresh(ctx, n)
	if errors.Is(err, cluster.ErrCannot) {
		if err = s.serves(ctx, &s.operators, n); err == nil {
			return targets.Status{Role: targets.Peer, Eligible: true, Healthy: true, Detail: "it serves AMQP; more is not told"}, nil
		}
	}
	var st targets.Status
	if err == nil {
		st, err = role(facts)
	}
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its status: %w", n.Name, err)
	}
	st.Detail = ill(facts)
	st.Healthy = st.Detail == ""
	return st, nil
}

// ill tells what a settled cluster would not have; empty: nothing.
func ill(facts map[string]string) string {
	if facts["leader"] == "undefined" {
		return "the queue has no leader"
	}
	for _, f := range []struct{ name, want string }{{"missing", "[]"}, {"partitions", "0"}, {"down", "0"}, {"amiss", "[]"}, {"unacked", "0"}} {
		if facts[f.name] != f.want {
			return fmt.Sprintf("%s is %s, not %s", f.name, facts[f.name], f.want)
		}
	}
	return ""
}

// Version is what the server says as a connection begins.
func (s *Attached) Version(ctx context.Context, n *cluster.Node) (v string, err error) {
	err = kit.Ask(ctx, &s.operators, n, func(c *Client) error {
		v, _ = c.conn.Properties["version"].(string)
		return nil
	})
	return v, err
}

func isRuns(queue string) (objects string, ok bool) {
	objects, _, _ = strings.Cut(queue, ".")
	return objects, strings.HasPrefix(objects, runs)
}
