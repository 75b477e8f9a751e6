package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Ports of every node.
const (
	clientPort  = 4222
	routePort   = 6222
	monitorPort = 8222
)

// user runs the server: nobody, by number, because the official image has no
// file of users.
const user = "65534:65534"

// setting is what the options say.
type setting struct {
	copies     int    // of the bucket and of the queue
	sync       string // sync_interval: "default", "always" or a duration
	memory     bool
	direct     bool // reads by direct get
	ackWait    time.Duration
	queueLeads bool // the queue's leader is the primary, not the bucket's
	streams
}

// System is one configured JetStream cluster.
type System struct {
	setting
	operator kit.Kept[*monitor] // by the operator's way
	clients  kit.Kept[*monitor] // over the clients' network
	layout   atomic.Pointer[layout]
	ready    sync.Map                       // names of the consumers that were made, to struct{}
	lives    [mostNodes]atomic.Int32        // by node: how often it has joined
	primary  atomic.Pointer[targets.Status] // of the one that was asked last
}

// mostNodes bounds the nodes that can join.
const mostNodes = 128

// layout is what Form found: how roles are told.
type layout struct {
	nodes, copies int
	group         string // the Raft group whose leader is the primary; empty with one copy and where the servers do not tell it
	stream        string // the stream of that group
}

var (
	_ targets.System    = (*System)(nil)
	_ targets.Versioned = (*System)(nil)
)

// newSystem has the streams of servers of our own unless the setting has others.
func newSystem(s setting) *System {
	if s.streams == (streams{}) {
		s.streams = launchedStreams
	}
	return &System{setting: s, operator: kit.Kept[*monitor]{Dial: dialOperator}, clients: kit.Kept[*monitor]{Dial: dialClient}}
}

// Version is what the server's monitoring port tells.
func (s *System) Version(ctx context.Context, n *cluster.Node) (string, error) {
	var told struct {
		Version string `json:"version"`
	}
	err := s.operator.Use(ctx, n, func(m *monitor) error {
		code, body, err := m.get(ctx, pathVariables)
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%s answered %d", pathVariables, code)
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(body, &told)
	})
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", n.Name, err)
	}
	return told.Version, nil
}

// Close closes the connections that the status questions keep.
func (s *System) Close() error { return errors.Join(s.operator.Close(), s.clients.Close()) }

const configFile = cluster.DataDir + "/nats.conf"

// Server is nats-server with a configuration file of its own.
func (s *System) Server(nodes []*cluster.Node, i int) cluster.ServerSpec {
	return cluster.ServerSpec{
		Command: kit.Serve(name, configFile),
		Files:   map[string]string{configFile: s.config(nodes, i)},
		User:    user,
	}
}

// config is the server's configuration. Each server has its name for a tag, so
// that a single copy can be placed. It lists the routes to all servers, itself
// included, as the documentation's clusters do: their number is the size that the
// group of all begins with, and one server too few could begin without the last.
func (s *System) config(nodes []*cluster.Node, i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "server_name: %s\nserver_tags: [%q]\nlisten: \"0.0.0.0:%d\"\nhttp: \"0.0.0.0:%d\"\n",
		s.serverName(nodes[i]), nodes[i].Name, clientPort, monitorPort)
	fmt.Fprintf(&b, "jetstream {\n  store_dir: %q\n", cluster.DataDir+"/store")
	if s.sync != wordDefault {
		fmt.Fprintf(&b, "  sync_interval: %q\n", s.sync)
	}
	b.WriteString("}\n")
	if len(nodes) == 1 {
		return b.String()
	}
	fmt.Fprintf(&b, "accounts {\n  $SYS: { users: [ {user: %s, password: %s} ] }\n}\n", sysUser, sysPassword)
	fmt.Fprintf(&b, "cluster {\n  name: aftershock\n  listen: \"0.0.0.0:%d\"\n  routes: [\n", routePort)
	for _, n := range nodes {
		fmt.Fprintf(&b, "    \"nats://%s\"\n", kit.Address(n, routePort))
	}
	b.WriteString("  ]\n}\n")
	return b.String()
}
