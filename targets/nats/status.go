package nats

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// account is the one of clients that name none.
const account = "$G"

// Paths of the server's monitoring port.
const (
	pathHealth    = "/healthz"
	pathVariables = "/varz"
	pathRaft      = "/raftz?acc=" + account
	pathStreams   = "/jsz?acc=" + account + "&streams=true"
	pathAll       = "/jsz"
)

// maxAnswer bounds an answer of the monitoring port.
const maxAnswer = 1 << 20

// defaultTimeout bounds calls whose context has no deadline.
const defaultTimeout = 5 * time.Second

// monitor is a kept connection to a server's monitoring port.
type monitor struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialOperator(ctx context.Context, n *cluster.Node) (*monitor, error) {
	conn, err := n.DialServer(ctx, monitorPort)
	return newMonitor(conn, n, err)
}

func dialClient(ctx context.Context, n *cluster.Node) (*monitor, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", kit.Address(n, monitorPort))
	return newMonitor(conn, n, err)
}

func newMonitor(conn net.Conn, n *cluster.Node, err error) (*monitor, error) {
	if err != nil {
		return nil, fmt.Errorf("connect to the monitoring port of %s: %w", n.Name, err)
	}
	return &monitor{conn: conn, in: bufio.NewReader(conn)}, nil
}

// Close closes the connection.
func (m *monitor) Close() error { return m.conn.Close() }

// get asks for a path and returns the HTTP status and the body, within ctx.
func (m *monitor) get(ctx context.Context, path string) (int, []byte, error) {
	release, err := kit.Bound(ctx, m.conn, defaultTimeout)
	if err != nil {
		return 0, nil, err
	}
	defer release()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://nats"+path, nil)
	if err != nil {
		return 0, nil, err
	}
	if err := request.Write(m.conn); err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", path, err)
	}
	response, err := http.ReadResponse(m.in, request)
	if err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", path, err)
	}
	defer func() { _ = response.Body.Close() }() // it has been read, or the connection is given up
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", path, err)
	}
	if response.Close {
		return response.StatusCode, body, errClosing
	}
	return response.StatusCode, body, nil
}

var (
	errClosing   = errors.New("the server closes its monitoring connection")
	errNotFormed = errors.New("the cluster is not formed yet")
)

// Status asks a node by the operator's way.
func (s *System) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	return s.ask(ctx, &s.operator, n)
}

// ClientStatus asks a node over the clients' network.
func (s *System) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	return s.ask(ctx, &s.clients, n)
}

func (s *System) ask(ctx context.Context, kept *kit.Kept[*monitor], n *cluster.Node) (targets.Status, error) {
	l := s.layout.Load()
	if l == nil {
		return targets.Status{}, errNotFormed
	}
	path, read := l.question(s.serverName(n))
	var status targets.Status
	err := kept.Use(ctx, n, func(m *monitor) error {
		code, body, err := m.get(ctx, path)
		if err != nil {
			return err
		}
		if status, err = read(code, body); err != nil {
			status, err = s.spare(ctx, l, m, err)
			return err
		}
		if status.Role == targets.Primary {
			s.primary.Store(&status)
		}
		if l.untold() {
			err = m.caughtUp(ctx, &status)
		}
		return err
	})
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its status: %w", n.Name, err)
	}
	return status, nil
}

// question is what tells the status of the node with that name, and how the answer
// is read: the Raft groups where there are any that are told; with one copy the node
// that holds the stream is the primary; a server alone is.
func (l *layout) question(node string) (string, func(int, []byte) (targets.Status, error)) {
	switch {
	case l.nodes == 1:
		return pathHealth, aloneStatus
	case l.copies == 1:
		return pathStreams, singleStatus
	case l.untold():
		return pathStreams, func(code int, body []byte) (targets.Status, error) { return streamStatus(code, body, node, l.stream) }
	}
	return pathRaft, func(code int, body []byte) (targets.Status, error) { return raftStatus(code, body, l.group) }
}

// aloneStatus reads /healthz, which is 200 when every stream was recovered.
func aloneStatus(code int, body []byte) (targets.Status, error) {
	well := code == http.StatusOK
	return targets.Status{Role: targets.Primary, Eligible: well, Healthy: well, Detail: string(body)}, nil
}

// singleStatus reads /jsz.
func singleStatus(code int, body []byte) (targets.Status, error) {
	var answer struct {
		Accounts []struct {
			Streams []struct {
				Name string `json:"name"`
			} `json:"stream_detail"`
		} `json:"account_details"`
		Meta struct {
			Leader string `json:"leader"`
		} `json:"meta_cluster"`
	}
	if err := decode(code, body, &answer); err != nil {
		return targets.Status{}, err
	}
	status := targets.Status{Role: targets.Replica, Healthy: answer.Meta.Leader != "", Detail: "meta leader " + answer.Meta.Leader}
	for _, a := range answer.Accounts {
		for _, stream := range a.Streams {
			if stream.Name == launchedStreams.bucket {
				status.Role, status.Eligible = targets.Primary, true
			}
		}
	}
	return status, nil
}

// raftGroup is what /raftz tells of one group.
type raftGroup struct {
	State      string `json:"state"`
	Leader     string `json:"leader"`
	Term       uint64 `json:"term"`
	Committed  uint64 `json:"committed"`
	Applied    uint64 `json:"applied"`
	CatchingUp bool   `json:"catching_up"`
	WALError   any    `json:"wal_error"`
}

// raftStatus reads /raftz. The role and the term are those of the group; the
// position is the sum of what was applied in all groups of the account, each
// of which has a copy on every node; healthy is a node all of whose groups
// have a leader and lag behind nothing that they know of.
func raftStatus(code int, body []byte, group string) (targets.Status, error) {
	var accounts map[string]map[string]raftGroup
	if code == http.StatusNotFound { // "No Raft nodes found": the account has no stream here
		return targets.Status{}, fmt.Errorf("%w: %.200s", targets.ErrGone, body)
	}
	if err := decode(code, body, &accounts); err != nil {
		return targets.Status{}, err
	}
	groups := accounts[account]
	g, ok := groups[group]
	if !ok {
		return targets.Status{}, fmt.Errorf("%w: the server has no Raft group %s", targets.ErrGone, group)
	}
	status := targets.Status{Role: targets.Replica, Epoch: g.Term, LogEpoch: g.Term, Healthy: true,
		Detail: fmt.Sprintf("%s %s term=%d applied=%d committed=%d leader=%q", group, g.State, g.Term, g.Applied, g.Committed, g.Leader)}
	if g.State == raftLeader {
		status.Role = targets.Primary
	}
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		g := groups[id]
		status.Position += g.Applied
		if g.Leader == "" || g.CatchingUp || g.Applied < g.Committed || g.WALError != nil {
			status.Healthy = false
			status.Detail += fmt.Sprintf("; %s %s is behind: leader=%q applied=%d committed=%d catching_up=%t wal_error=%v",
				id, g.State, g.Leader, g.Applied, g.Committed, g.CatchingUp, g.WALError)
		}
	}
	status.Eligible = status.Healthy
	return status, nil
}

// raftLeader is the state of a group's leader.
const raftLeader = "LEADER"

func decode(code int, body []byte, v any) error {
	if code != http.StatusOK {
		return fmt.Errorf("HTTP status %d: %.200s", code, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("the answer is not understood: %w", err)
	}
	return nil
}
