package redis

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// retryEvery is how often Form asks again.
const retryEvery = 10 * time.Millisecond

// servers is what both Systems have: the servers and connections to them.
type servers struct {
	settings
	brand             *brand
	operator, clients links
	consumers         atomic.Uint64 // connections made, to name each one's processing list
	prefix            []byte        // of all keys; none where all of the server is the run's own
}

func (s *servers) init(b *brand, set settings) {
	s.brand, s.settings = b, set
	s.operator.Dial, s.clients.Dial = byOperator(serverPort), byClients(serverPort)
}

// Version is what the server's INFO tells. Valkey tells the version of Redis
// that it is compatible with beside its own.
func (s *servers) Version(ctx context.Context, n *cluster.Node) (version string, err error) {
	err = s.operator.Use(ctx, n, func(l *link) error {
		text, err := redigo.String(l.ask(ctx, "INFO", "server"))
		version = parseInfo(text)[s.brand.name+"_version"]
		return err
	})
	if err == nil && version == "" {
		err = fmt.Errorf("its INFO has no %s_version: it is no %s", s.brand.name, s.brand.title)
	}
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", n.Name, err)
	}
	return version, nil
}

// Close closes the kept connections.
func (s *servers) Close() error { return errors.Join(s.operator.Close(), s.clients.Close()) }

// System is Redis replication that the operator fails over. A node's role is
// written into its configuration (CONFIG REWRITE), so a primary that was killed
// comes back as a primary, in the epoch in which it was made one.
type System struct {
	servers
	epochs *epochs
}

var (
	_ targets.System    = (*System)(nil)
	_ targets.Operated  = (*System)(nil)
	_ targets.Versioned = (*System)(nil)
	_ targets.LagTeller = (*System)(nil)
)

func newSystem(b *brand, set settings) *System {
	s := &System{epochs: newEpochs()}
	s.init(b, set)
	return s
}

// Server is a redis-server without a primary; Form gives it one.
func (s *System) Server([]*cluster.Node, int) cluster.ServerSpec {
	return cluster.ServerSpec{
		Command: kit.Serve(s.brand.name, serverFile),
		Files:   map[string]string{serverFile: s.serverConfig(nil)},
		User:    s.brand.name,
	}
}

// Form waits for the servers, makes node 0 the primary of epoch 1 and waits
// until the others have its data.
func (s *System) Form(ctx context.Context, nodes []*cluster.Node) error {
	if len(nodes) == 0 {
		return errors.New("form the replica set: there are no nodes")
	}
	// A replica whose primary does not listen yet asks again only a second later.
	err := kit.Each(nodes, func(i int) error {
		return kit.Retry(ctx, retryEvery, "wait for "+s.brand.title+" on "+nodes[i].Name, func() error { return s.serves(ctx, nodes[i]) })
	})
	if err != nil {
		return err
	}
	s.epochs.set(0, 1)
	if err := kit.Each(nodes[1:], func(i int) error { return s.Follow(ctx, nodes, i+1, 0, 1) }); err != nil {
		return err
	}
	return kit.Retry(ctx, retryEvery, "form the replica set", func() error {
		return kit.Each(nodes, func(i int) error { return s.serves(ctx, nodes[i]) })
	})
}

// Elsewhere implements targets.Elsewhere: no two clients have one processing list.
func (s *servers) Elsewhere(_ []*cluster.Node, process int) {
	s.consumers.Store(uint64(process) << 32)
}

const (
	// statusTimeout bounds one question while the replica set forms.
	statusTimeout = time.Second
	// roleTimeout bounds a change of roles, which writes a file: a node that
	// hangs is not to hold the operator up.
	roleTimeout = 3 * time.Second
)

// serves tells whether a node is healthy in its role.
func (s *System) serves(ctx context.Context, n *cluster.Node) error {
	bounded, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	st, err := s.Status(bounded, n)
	if err == nil && !st.Healthy {
		err = fmt.Errorf("%s is not ready: %s", n.Name, st.Detail)
	}
	return err
}

// Promote ends a node's replication.
func (s *System) Promote(ctx context.Context, nodes []*cluster.Node, p int, _ []int, epoch uint64) error {
	if err := s.replicaOf(ctx, nodes[p], epoch, "NO", "ONE"); err != nil {
		return fmt.Errorf("promote %s in epoch %d: %w", nodes[p].Name, epoch, err)
	}
	return nil
}

// Follow makes a node replicate another; where it does already, the server
// answers so and goes on.
func (s *System) Follow(ctx context.Context, nodes []*cluster.Node, i, p int, epoch uint64) error {
	if err := s.replicaOf(ctx, nodes[i], epoch, nodes[p].Addr.String(), serverPort); err != nil {
		return fmt.Errorf("make %s follow %s in epoch %d: %w", nodes[i].Name, nodes[p].Name, epoch, err)
	}
	return nil
}

// replicaOf changes a node's role in an epoch, for its next start too.
func (s *System) replicaOf(ctx context.Context, n *cluster.Node, epoch uint64, of ...any) error {
	ctx, cancel := context.WithTimeout(ctx, roleTimeout)
	defer cancel()
	return s.operator.Use(ctx, n, func(l *link) error {
		if _, err := l.ask(ctx, "REPLICAOF", of...); err != nil {
			return err
		}
		s.epochs.set(n.Index, epoch)
		if _, err := l.ask(ctx, "CONFIG", "REWRITE"); err != nil {
			return fmt.Errorf("write the role into the configuration: %w", err)
		}
		return nil
	})
}

// Status asks a node by the operator's way. As changes of roles go the same
// way, one at a time, the epoch is that of the role that the node tells.
func (s *System) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	return s.status(ctx, &s.operator, n, s.epochs.begin)
}

// ClientStatus asks a node over the clients' network.
func (s *System) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	return s.status(ctx, &s.clients, n, func(string, uint64) {})
}

// status asks a node; primary is called with a primary's history and epoch.
func (s *System) status(ctx context.Context, by *links, n *cluster.Node, primary func(string, uint64)) (targets.Status, error) {
	var st targets.Status
	err := by.Use(ctx, n, func(l *link) error {
		epoch := s.epochs.node(n.Index) // before the question: an old primary never appears in the epoch that makes it a replica
		answer, err := askServer(ctx, l)
		if err != nil {
			return err
		}
		st = answer.status
		replid := answer.fields["master_replid"]
		if st.Role == targets.Primary {
			primary(replid, epoch)
		}
		st.Epoch, st.LogEpoch = epoch, s.epochs.log(replid)
		return nil
	})
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its status: %w", n.Name, err)
	}
	return st, nil
}
