package nats

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// memberNode is a node whose monitoring port tells of a group of all servers, and
// that nothing but that port answers of.
type memberNode struct {
	cluster.Control
	monitor string
	started *atomic.Int32
}

func (m memberNode) DialServer(ctx context.Context, port int) (net.Conn, error) {
	if port != monitorPort {
		return nil, fmt.Errorf("port %d is closed", port)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", m.monitor)
}

func (m memberNode) Do(context.Context, cluster.Action) (cluster.Effect, error) {
	return cluster.Effect{Changed: true}, nil
}

func (m memberNode) Start(_ context.Context, spec cluster.ServerSpec) error {
	if strings.Contains(spec.Files[configFile], "server_name: n3\n") {
		m.started.Add(1)
	}
	return nil
}

// TestAssembleStartsWhoStaysOutside: a server that the group's leader does not
// count for seconds is started anew, and only that one.
func TestAssembleStartsWhoStaysOutside(t *testing.T) {
	var started atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		more := ""
		if started.Load() > 0 {
			more = `,{"name":"n3"}`
		}
		fmt.Fprintf(w, `{"meta_cluster":{"leader":"n2","replicas":[{"name":"n1"}%s,{"name":"n4","offline":true}]}}`, more)
	}))
	defer server.Close()
	s := newSystem(setting{copies: 3})
	defer s.Close()
	nodes := someNodes(3)
	for _, n := range nodes {
		n.Control = memberNode{monitor: server.Listener.Addr().String(), started: &started}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*restartAfter)
	defer cancel()
	begun := time.Now()
	if err := s.assemble(ctx, nodes); err != nil || started.Load() != 1 || time.Since(begun) < restartAfter {
		t.Errorf("n3 was started %d times within %s, and it ended with %v", started.Load(), time.Since(begun), err)
	}
	begun = time.Now()
	if err := s.assemble(ctx, nodes); err != nil || started.Load() != 1 || time.Since(begun) > time.Second {
		t.Errorf("a whole group: %d more starts within %s, %v", started.Load()-1, time.Since(begun), err)
	}
	_, outside, err := s.outside(ctx, append(nodes, &cluster.Node{Name: "n4", Control: nodes[0].Control}))
	if err != nil || len(outside) != 1 || outside[0].Name != "n4" {
		t.Errorf("a server that is offline is not told to be outside: %v, %v", outside, err)
	}
}
