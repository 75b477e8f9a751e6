package rabbitmq

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

const (
	port = 5672 // AMQP
	// heartbeat is how often either end of a connection shows that it lives;
	// after two that are missing the server puts back what was not acknowledged.
	heartbeat = 2 * time.Second
	// retryEvery is how often Form asks again.
	retryEvery = 25 * time.Millisecond
)

// System is one configured RabbitMQ cluster.
type System struct {
	nodes            int          // that a quorum queue is told to be on; 0: as the server has it
	running          atomic.Int32 // how many nodes there are since one has joined or left; 0: none has
	prefix           string       // of the queues' names
	queue            string
	confirms         bool
	partition        string
	promote, sync    string // queue: mirrored
	ticktime         time.Duration
	schedulers       int
	cookie           string
	client, operator kit.Kept[*line]
	noted            func(c *Client, queue string) error // before a client first declares a queue; nil: nobody
}

var (
	_ targets.Target    = Target{}
	_ targets.Launcher  = Target{}
	_ targets.System    = (*System)(nil)
	_ targets.Versioned = (*System)(nil)
)

// tellerSource is what every node evaluates when it starts; see Status.
//
//go:embed teller.erl
var tellerSource string

// Form waits until all nodes have booted and joined the first one, and sets
// the policy of mirrored queues. Queues are declared by the clients: the first
// that connect are sent to the first node, which so becomes the leader.
func (s *System) Form(ctx context.Context, nodes []*cluster.Node) error {
	if err := kit.Each(nodes, func(i int) error { return s.booted(ctx, nodes[i]) }); err != nil {
		return err
	}
	if s.queue == mirrored {
		if err := s.mirror(ctx, nodes[0]); err != nil {
			return err
		}
	}
	return kit.Retry(ctx, retryEvery, "form the RabbitMQ cluster", func() error {
		return kit.Each(nodes, func(i int) error {
			st, err := s.Status(ctx, nodes[i])
			if err == nil && !st.Healthy {
				err = fmt.Errorf("%s is not ready: %s", nodes[i].Name, st.Detail)
			}
			return err
		})
	})
}

var errBooting = errors.New("still booting")

func (s *System) booted(ctx context.Context, n *cluster.Node) error {
	return kit.Retry(ctx, retryEvery, "wait for RabbitMQ on "+n.Name+" to boot", func() error {
		facts, err := s.ask(ctx, &s.operator, n, "version")
		if err == nil && facts["ready"] != "true" {
			err = errBooting
		}
		return err
	})
}

// mirror makes the policy of mirrored queues, where the version has them.
func (s *System) mirror(ctx context.Context, n *cluster.Node) error {
	facts, err := s.ask(ctx, &s.operator, n, "version")
	if err != nil {
		return err
	}
	if v, ok := version.Find(facts["version"]); ok && !hasMirrors.Has(v) {
		return noMirrors(v)
	}
	facts, err = s.ask(ctx, &s.operator, n, "mirror "+s.promote+" "+s.sync)
	if err == nil && facts["result"] != "ok" {
		err = fmt.Errorf("it said %v", facts)
	}
	if err != nil {
		return fmt.Errorf("set the policy of mirrored queues on %s: %w", n.Name, err)
	}
	return nil
}

// Version is what a node's teller tells of the server.
func (s *System) Version(ctx context.Context, n *cluster.Node) (string, error) {
	facts, err := s.ask(ctx, &s.operator, n, "version")
	return facts["version"], err
}

// Close closes the connections for Status and ClientStatus.
func (s *System) Close() error { return errors.Join(s.client.Close(), s.operator.Close()) }
