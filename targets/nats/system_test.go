package nats

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

func TestConfigure(t *testing.T) {
	for _, c := range []struct {
		replicas int
		options  map[string]string
		wrong    string // part of the error; empty: it is right
	}{
		{0, nil, ""},
		{2, nil, ""},
		{4, map[string]string{"num_replicas": "5"}, ""},
		{2, map[string]string{"num_replicas": "1", "sync_interval": "always", "storage": "memory", "allow_direct": "false"}, ""},
		{2, map[string]string{"sync_interval": "10s", "ack_wait": "500ms", "leader_of": "queue"}, ""},
		{1, nil, "give 0, 2 or 4"},
		{6, nil, "give 0, 2 or 4"},
		{-1, nil, "negative"},
		{0, map[string]string{"num_replicas": "3"}, "3 copies on 1 servers"},
		{4, map[string]string{"num_replicas": "3"}, "give 1 or auto"},
		{2, map[string]string{"num_replicas": "2"}, "num_replicas"},
		{2, map[string]string{"sync_interval": "never"}, "or default, or always"},
		{2, map[string]string{"ack_wait": "1ms"}, "out of range"},
		{2, map[string]string{"storage": "files"}, `did you mean "file"?`},
		{2, map[string]string{"allow_directly": "true"}, `did you mean "allow_direct"?`},
	} {
		_, err := Target{}.Configure(targets.Config{Replicas: c.replicas, Options: c.options})
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%d %v: %v", c.replicas, c.options, err)
		}
	}
	for _, mode := range (Target{}).Info().Modes {
		if _, err := (Target{}).Configure(targets.Config{Replicas: mode.Replicas, Options: mode.Options}); err != nil {
			t.Errorf("mode %s: %v", mode.Name, err)
		}
	}
}

func someNodes(n int) []*cluster.Node {
	var nodes []*cluster.Node
	for i := range n {
		nodes = append(nodes, &cluster.Node{Name: "n" + string(rune('1'+i)), Index: i, Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)})})
	}
	return nodes
}

func TestServer(t *testing.T) {
	s := newSystem(setting{copies: 3, sync: "always"})
	spec := s.Server(someNodes(3), 1)
	text := spec.Files[configFile]
	for _, want := range []string{"server_name: n2\n", `sync_interval: "always"`, `store_dir: "{data}/store"`, `"nats://10.0.0.1:6222"`, `"nats://10.0.0.2:6222"`, `"nats://10.0.0.3:6222"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	s.sync = wordDefault
	if text := s.Server(someNodes(1), 0).Files[configFile]; strings.Contains(text, "cluster {") || strings.Contains(text, "sync_interval") {
		t.Errorf("one server has settings of a cluster:\n%s", text)
	}
}

const raftz = `{"$G":{
 "S-R3F-kv":{"state":"LEADER","leader":"aaa","term":4,"committed":10,"applied":10},
 "S-R3F-queue":{"state":"FOLLOWER","leader":"bbb","term":9,"committed":7,"applied":5},
 "C-R3F-q":{"state":"FOLLOWER","leader":"bbb","term":2,"committed":3,"applied":3}}}`

func grouped(group string) layout { return layout{nodes: 3, copies: 3, group: group} }

func TestStatus(t *testing.T) {
	older := `{"account_details":[{"name":"$G","stream_detail":[{"name":"KV_aftershock","cluster":{"leader":"n2"},"state":{"last_seq":7}},
 {"name":"queue","cluster":{"leader":"n1"},"state":{"last_seq":4}}]}]}`
	streams := func(stream string) layout { return layout{nodes: 3, copies: 3, stream: stream} }
	well := strings.Replace(raftz, `"applied":5`, `"applied":7`, 1)
	follower := strings.Replace(well, "LEADER", "FOLLOWER", 1)
	jsz := `{"meta_cluster":{"leader":"n2"},"account_details":[{"name":"$G","stream_detail":[{"name":"KV_aftershock"}]}]}`
	for _, c := range []struct {
		name   string
		layout layout
		code   int
		body   string
		want   targets.Status // but for Detail
		wrong  bool
	}{
		{"leader", grouped("S-R3F-kv"), 200, well, targets.Status{Role: targets.Primary, Epoch: 4, LogEpoch: 4, Position: 20, Healthy: true, Eligible: true}, false},
		{"follower", grouped("S-R3F-kv"), 200, follower, targets.Status{Role: targets.Replica, Epoch: 4, LogEpoch: 4, Position: 20, Healthy: true, Eligible: true}, false},
		{"behind", grouped("S-R3F-kv"), 200, raftz, targets.Status{Role: targets.Primary, Epoch: 4, LogEpoch: 4, Position: 18}, false},
		{"leaderless", grouped("S-R3F-queue"), 200, strings.Replace(well, `"leader":"bbb"`, `"leader":""`, 1),
			targets.Status{Role: targets.Replica, Epoch: 9, LogEpoch: 9, Position: 20}, false},
		{"other group: ours is gone", grouped("S-R3F-x"), 200, well, targets.Status{}, true},
		{"no groups: ours is gone", grouped("S-R3F-kv"), 404, "No Raft nodes", targets.Status{}, true},
		{"no JSON", grouped("S-R3F-kv"), 200, "{", targets.Status{}, true},
		{"alone", layout{nodes: 1, copies: 1}, 200, `{"status":"ok"}`, targets.Status{Role: targets.Primary, Healthy: true, Eligible: true}, false},
		{"alone, not ready", layout{nodes: 1, copies: 1}, 503, `{"status":"unavailable"}`, targets.Status{Role: targets.Primary}, false},
		{"the only copy", layout{nodes: 3, copies: 1}, 200, jsz, targets.Status{Role: targets.Primary, Healthy: true, Eligible: true}, false},
		{"no copy", layout{nodes: 3, copies: 1}, 200, `{"meta_cluster":{"leader":"n2"}}`, targets.Status{Role: targets.Replica, Healthy: true}, false},
		{"no leader of all", layout{nodes: 3, copies: 1}, 200, `{}`, targets.Status{Role: targets.Replica}, false},
		{"no groups told, leads", streams("queue"), 200, older, targets.Status{Role: targets.Primary, Position: 11, Healthy: true, Eligible: true}, false},
		{"no groups told, follows", streams("KV_aftershock"), 200, older, targets.Status{Role: targets.Replica, Position: 11, Healthy: true, Eligible: true}, false},
		{"no groups told, leaderless", streams("queue"), 200, strings.Replace(older, `"n2"`, `""`, 1), targets.Status{Role: targets.Primary, Position: 11}, false},
		{"no groups told, the stream is gone", streams("other"), 200, older, targets.Status{}, true},
		{"no groups told, no JSON", streams("queue"), 503, older, targets.Status{}, true},
	} {
		_, read := c.layout.question("n1")
		got, err := read(c.code, []byte(c.body))
		got.Detail = ""
		if (err != nil) != c.wrong || got != c.want {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
		if gone := strings.HasSuffix(c.name, "is gone"); errors.Is(err, targets.ErrGone) != gone {
			t.Errorf("%s: that it is gone is told wrong: %v", c.name, err)
		}
	}
}

// TestMonitor keeps one connection through several questions, and gives it up
// when the server does not answer in time.
func TestMonitor(t *testing.T) {
	slow := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-slow
		}
		_, _ = w.Write([]byte(r.URL.String()))
	}))
	defer server.Close()
	defer close(slow)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	m, err := newMonitor(conn, someNode, err)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for range 3 {
		if code, body, err := m.get(t.Context(), pathRaft); err != nil || code != 200 || string(body) != pathRaft {
			t.Errorf("%d %q %v", code, body, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, _, err := m.get(ctx, "/slow"); err == nil || time.Since(start) > time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func TestLaunchNeedsItsFile(t *testing.T) {
	if err := (Target{}).Launch(t.Context(), nil); err == nil {
		t.Error("no configuration file, no error")
	}
	if got := kit.Serve(name, configFile); len(got) != 4 || got[2] != "nats" {
		t.Errorf("%v", got)
	}
}
