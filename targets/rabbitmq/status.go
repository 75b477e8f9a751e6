package rabbitmq

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// tellerPort is where a node's teller answers; teller.erl has it too.
const tellerPort = 5679

// maxAnswer bounds one line of a teller, in bytes.
const maxAnswer = 64 << 10

const (
	askTimeout   = 2 * time.Second  // of a question
	orderTimeout = 20 * time.Second // of what nodes have to agree on
)

// Status asks a node's teller, by the operator's way. A node is healthy when
// it serves, sees all nodes running and no partition, all queues are up with
// all their members, and no message is delivered and unacknowledged: those of
// dead connections are back in their queues.
func (s *System) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	facts, err := s.ask(ctx, &s.operator, n, "health")
	if err != nil {
		return targets.Status{}, err
	}
	st, err := role(facts)
	if err != nil {
		return st, fmt.Errorf("ask %s for its status: %w", n.Name, err)
	}
	st.Detail = s.amiss(facts)
	st.Healthy = st.Detail == ""
	return st, nil
}

// ClientStatus asks a node's teller over the clients' network for its role
// only: whether it serves clients, and whether it leads the first queue.
func (s *System) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	facts, err := s.ask(ctx, &s.client, n, "role")
	if err != nil {
		return targets.Status{}, err
	}
	st, err := role(facts)
	if err != nil {
		return st, fmt.Errorf("ask %s for its role: %w", n.Name, err)
	}
	return st, nil
}

// role makes a Status of what a teller says. A node that does not lead the
// queue is a peer: it serves clients by passing their operations on. The epoch
// is the term in which a quorum queue's leader was elected, as this node knows
// it; where terms differ, the older leader has been deposed.
func role(facts map[string]string) (targets.Status, error) {
	if facts["ready"] != "true" {
		return targets.Status{}, fmt.Errorf("RabbitMQ is not running there, or it is paused: %v", facts)
	}
	st := targets.Status{Role: targets.Peer, Eligible: true}
	if leader := facts["leader"]; leader != "" && leader == facts["self"] {
		st.Role = targets.Primary
	}
	var err error
	if st.Epoch, err = strconv.ParseUint(facts["term"], 10, 64); err != nil {
		return targets.Status{}, fmt.Errorf("term: %w", err)
	}
	return st, nil
}

// amiss tells what a settled cluster would not have; empty: nothing.
func (s *System) amiss(facts map[string]string) string {
	if e := facts["error"]; e != "" {
		return e
	}
	nodes := s.nodes
	if changed := int(s.running.Load()); changed > 0 {
		nodes = changed
	}
	want := map[string]string{"nodes": strconv.Itoa(nodes), "partitions": "0", "down": "0", "amiss": "[]", "unacked": "0"}
	if s.queue == quorum { // its members are a Raft group of their own: it does not care that the nodes' database was partitioned
		delete(want, "partitions")
	}
	if facts["queues"] != "0" && facts["leader"] == "undefined" {
		return "the queue has no leader"
	}
	if facts["queues"] != "0" && s.queue == mirrored {
		want["mirrors"] = strconv.Itoa(nodes - 1)
		if s.sync == "automatic" {
			want["synced"] = want["mirrors"]
		}
	}
	for _, name := range []string{"nodes", "partitions", "down", "amiss", "mirrors", "synced", "unacked"} {
		if value, set := want[name]; set && facts[name] != value {
			return fmt.Sprintf("%s is %s, not %s", name, facts[name], value)
		}
	}
	return ""
}

// line is a connection to a teller.
type line struct {
	conn net.Conn
	in   *bufio.Reader
}

func (l *line) Close() error { return l.conn.Close() }

func dialClient(ctx context.Context, n *cluster.Node) (*line, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", kit.Address(n, tellerPort))
	return newLine(n, conn, err)
}

func dialOperator(ctx context.Context, n *cluster.Node) (*line, error) {
	conn, err := n.DialServer(ctx, tellerPort)
	return newLine(n, conn, err)
}

func newLine(n *cluster.Node, conn net.Conn, err error) (*line, error) {
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", n.Name, err)
	}
	return &line{conn: conn, in: bufio.NewReaderSize(conn, maxAnswer)}, nil
}

// ask puts one question to a node's teller, for askTimeout at most.
func (s *System) ask(ctx context.Context, way *kit.Kept[*line], n *cluster.Node, question string) (facts map[string]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return s.askWithin(ctx, way, n, question)
}

// askWithin is ask within ctx alone, which has a deadline.
func (s *System) askWithin(ctx context.Context, way *kit.Kept[*line], n *cluster.Node, question string) (facts map[string]string, err error) {
	err = way.Use(ctx, n, func(l *line) error {
		release, err := kit.Bound(ctx, l.conn, askTimeout)
		if err != nil {
			return err
		}
		defer release()
		if _, err := l.conn.Write([]byte(question + "\n")); err != nil {
			return err
		}
		answer, err := l.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		facts = parse(string(answer))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s for its %s: %w", n.Name, question, err)
	}
	return facts, nil
}

// parse reads the name=value words of an answer.
func parse(answer string) map[string]string {
	facts := make(map[string]string)
	for word := range strings.FieldsSeq(answer) {
		name, value, _ := strings.Cut(word, "=")
		facts[name] = value
	}
	return facts
}
