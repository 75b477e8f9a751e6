package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	driver "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// streams are the names of the two, and the beginnings of their subjects.
type streams struct {
	bucket, keys    string
	queue, messages string
}

// launchedStreams are those on servers of our own. The bucket is the one that `nats kv add
// aftershock` makes.
var launchedStreams = streams{"KV_aftershock", "$KV.aftershock.", "queue", "queue."}

// streamsOf are those in a deployment of somebody else's, by the name of a run's objects.
func streamsOf(objects string) streams {
	return streams{bucketPrefix + objects, "$KV." + objects + ".", objects + queueSuffix, objects + queueSuffix + "."}
}

const (
	bucketPrefix = "KV_" // of every bucket's stream
	queueSuffix  = "_queue"
)

const (
	retryEvery  = 20 * time.Millisecond
	formAttempt = time.Second // one call of Form
)

// Form waits for the servers, makes the bucket and the queue, and moves their
// leaders to node 0.
func (s *System) Form(ctx context.Context, nodes []*cluster.Node) error {
	if len(nodes) == 0 {
		return errors.New("form the cluster: there are no nodes")
	}
	if err := kit.Each(nodes, func(i int) error { return s.answers(ctx, nodes, i) }); err != nil {
		return err
	}
	if err := s.assemble(ctx, nodes); err != nil {
		return err
	}
	nc, err := connectOperator(ctx, nodes[0])
	if err != nil {
		return err
	}
	defer nc.Close()
	groups, err := s.layAll(ctx, nc, nodes[0].Name)
	if err != nil {
		return err
	}
	l := &layout{nodes: len(nodes), copies: s.copies, group: groups[0], stream: s.bucket}
	if s.queueLeads {
		l.group, l.stream = groups[1], s.queue
	}
	s.layout.Store(l)
	return s.formed(ctx, nodes)
}

// connectOperator connects to a node by the operator's way. The server opens
// its clients' port after the monitoring port, so it may take some tries.
func connectOperator(ctx context.Context, n *cluster.Node) (nc *driver.Conn, err error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return n.DialServer(ctx, clientPort) }
	err = kit.Retry(ctx, retryEvery, "connect to nats-server on "+n.Name, func() error {
		bounded, cancel := context.WithTimeout(ctx, formAttempt)
		defer cancel()
		var err error
		nc, err = connect(bounded, kit.Address(n, clientPort), dial)
		return err
	})
	return nc, err
}

// layAll makes both streams, at once, and returns their Raft groups.
func (s *System) layAll(ctx context.Context, nc *driver.Conn, node string) ([]string, error) {
	configs := []jetstream.StreamConfig{s.bucketConfig(node), s.queueConfig(node)}
	groups, errs := make([]string, len(configs)), make([]error, len(configs))
	var wg sync.WaitGroup
	for i, config := range configs {
		wg.Go(func() { groups[i], errs[i] = s.lay(ctx, nc, node, config) })
	}
	wg.Wait()
	return groups, errors.Join(errs...)
}

// answers waits until a node's server has its JetStream up, in contact with
// the leader of all where there are several.
func (s *System) answers(ctx context.Context, nodes []*cluster.Node, i int) error {
	return kit.Retry(ctx, retryEvery, fmt.Sprintf("wait for nats-server on %s", nodes[i].Name), func() error {
		bounded, cancel := context.WithTimeout(ctx, formAttempt)
		defer cancel()
		group, err := s.group(bounded, nodes[i])
		if err == nil && len(nodes) > 1 && group.Leader == "" {
			err = errors.New("the servers have no leader yet")
		}
		return err
	})
}

// bucketConfig is a key-value bucket of history 1, as the client library makes
// it, but for the choice of direct gets.
func (s *System) bucketConfig(node string) jetstream.StreamConfig {
	c := s.streamConfig(s.bucket, s.keys, node)
	c.MaxMsgsPerSubject, c.AllowRollup, c.DenyDelete, c.AllowDirect = 1, true, true, s.direct
	return c
}

// queueConfig is a work queue: a message is kept until it is acknowledged.
func (s *System) queueConfig(node string) jetstream.StreamConfig {
	c := s.streamConfig(s.queue, s.messages, node)
	c.Retention = jetstream.WorkQueuePolicy
	return c
}

func (s *System) streamConfig(name, subjects, node string) jetstream.StreamConfig {
	c := jetstream.StreamConfig{Name: name, Subjects: []string{subjects + ">"}, Replicas: s.copies,
		Discard: jetstream.DiscardNew, Storage: jetstream.FileStorage}
	if s.memory {
		c.Storage = jetstream.MemoryStorage
	}
	if s.copies == 1 {
		c.Placement = &jetstream.Placement{Tags: []string{node}} // every server has its name for a tag
	}
	return c
}

// lay makes a stream and moves its leader to the node. It returns the stream's
// Raft group, which is empty with one copy and where the server does not tell it.
func (s *System) lay(ctx context.Context, nc *driver.Conn, node string, config jetstream.StreamConfig) (string, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return "", fmt.Errorf("make the stream %s: %w", config.Name, err)
	}
	err = kit.Retry(ctx, retryEvery, "make the stream "+config.Name, func() error {
		bounded, cancel := context.WithTimeout(ctx, formAttempt)
		defer cancel()
		_, err := js.CreateStream(bounded, config) // the same again is no error
		return err
	})
	if err != nil || s.copies == 1 {
		return "", err
	}
	var group string
	err = kit.Retry(ctx, retryEvery, fmt.Sprintf("make %s the leader of %s", node, config.Name), func() error {
		info, err := streamInfo(ctx, nc, config.Name)
		if err != nil {
			return err
		}
		group = info.Cluster.Group
		if info.Cluster.Leader == node {
			return nil
		}
		if info.Cluster.Leader != "" {
			err = stepDown(ctx, nc, config.Name, node)
		}
		return errors.Join(fmt.Errorf("the leader is %q", info.Cluster.Leader), err)
	})
	return group, err
}

// stepDown asks a stream's leader to give its place to a node. Servers before 2.11
// take no wish: they are asked to give it to any other, which is asked in its turn.
func stepDown(ctx context.Context, nc *driver.Conn, stream, node string) error {
	ctx, cancel := context.WithTimeout(ctx, formAttempt)
	defer cancel()
	var wished, any apiAnswer
	subject := "$JS.API.STREAM.LEADER.STEPDOWN." + stream
	err := call(ctx, nc, subject, fmt.Appendf(nil, `{"placement":{"preferred":%q}}`, node), &wished)
	if wished.Error != nil && wished.Error.ErrorCode == jetstream.JSErrCodeBadRequest {
		return call(ctx, nc, subject, nil, &any)
	}
	return err
}

// infoAnswer is what is used of a stream's info.
type infoAnswer struct {
	apiAnswer
	Total   int `json:"total"` // subjects, of which State has a page
	Cluster struct {
		Group    string        `json:"raft_group"`
		Leader   string        `json:"leader"`
		Replicas []replicaTold `json:"replicas"` // all but the leader
	} `json:"cluster"`
	State struct {
		Subjects map[string]uint64 `json:"subjects"`
		Last     uint64            `json:"last_seq"`
	} `json:"state"`
}

// replicaTold is what a stream's leader tells of another server with a copy.
type replicaTold struct {
	Name    string `json:"name"`
	Current bool   `json:"current"`
	Offline bool   `json:"offline"`
	Lag     uint64 `json:"lag"` // in operations
}

func streamInfo(ctx context.Context, nc *driver.Conn, stream string) (*infoAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, formAttempt)
	defer cancel()
	answer := new(infoAnswer)
	return answer, call(ctx, nc, "$JS.API.STREAM.INFO."+stream, nil, answer)
}

// answered is an answer of the JetStream API.
type answered interface{ failure() error }

// apiAnswer is the part of an answer that every call has.
type apiAnswer struct {
	Error *jetstream.APIError `json:"error"`
}

func (a *apiAnswer) failure() error {
	if a.Error == nil {
		return nil
	}
	return a.Error
}

// call makes one call of the JetStream API.
func call(ctx context.Context, nc *driver.Conn, subject string, request []byte, answer answered) error {
	reply, err := nc.RequestWithContext(ctx, subject, request)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(reply.Data, answer); err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	return answer.failure()
}

// formed waits until node 0 is the primary and every node is caught up.
func (s *System) formed(ctx context.Context, nodes []*cluster.Node) error {
	return kit.Retry(ctx, retryEvery, "form the cluster", func() error {
		primary := false
		for i, n := range nodes {
			bounded, cancel := context.WithTimeout(ctx, formAttempt)
			st, err := s.Status(bounded, n)
			cancel()
			switch {
			case err != nil:
				return err
			case !st.Healthy:
				return fmt.Errorf("%s is not ready: %s", n.Name, st.Detail)
			}
			primary = primary || st.Role == targets.Primary && (i == 0 || s.copies == 1)
		}
		if !primary {
			return errors.New("no node is the primary yet")
		}
		return nil
	})
}
