package redis

import (
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		target   targets.Target
		replicas int
		options  map[string]string
		want     string // part of the error; empty: none
	}{
		{Target{}, 0, nil, ""},
		{Target{}, -1, nil, "negative"},
		{Target{}, 2, map[string]string{"wait": "2", "min-replicas-to-write": "1"}, ""},
		{Target{}, 1, map[string]string{"wait": "2"}, "target.options.wait"},
		{Target{}, 1, map[string]string{"wait-timeout": "0"}, "out of range"},
		{Target{}, 0, map[string]string{"min-replicas-to-write": "1"}, "min-replicas-to-write"},
		{Target{}, 1, map[string]string{"min-replicas-max-lag": "0"}, "min-replicas-max-lag"},
		{Target{}, 0, map[string]string{"appendonly": "maybe"}, "appendonly"},
		{Target{}, 0, map[string]string{"appendfsnyc": "no"}, "appendfsync"},
		{Target{}, 2, map[string]string{"quorum": "2"}, "no such option"},
		{Sentinel{}, 2, map[string]string{"quorum": "2", "down-after-milliseconds": "500"}, ""},
		{Sentinel{}, 2, map[string]string{"quorum": "4"}, "or majority"},
		{Sentinel{}, 2, map[string]string{"down-after-milliseconds": "1s"}, "down-after-milliseconds"},
		{Sentinel{}, 2, map[string]string{"failover-timeout": "1"}, "failover-timeout"},
	} {
		_, err := c.target.Configure(targets.Config{Replicas: c.replicas, Options: c.options})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.options, err)
		}
	}
	for _, target := range []targets.Target{Target{}, Sentinel{}} {
		for _, m := range target.Info().Modes {
			if _, err := target.Configure(targets.Config{Replicas: m.Replicas, Options: m.Options}); err != nil {
				t.Errorf("mode %s: %v", m.Name, err)
			}
		}
	}
}

func testNodes(n int) []*cluster.Node {
	var nodes []*cluster.Node
	for i := range n {
		nodes = append(nodes, &cluster.Node{Name: "n" + string(rune('1'+i)), Index: i, Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})})
	}
	return nodes
}

func TestConfigurations(t *testing.T) {
	system, err := Sentinel{}.Configure(targets.Config{Replicas: 2, Options: map[string]string{"appendonly": "no", "min-replicas-to-write": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	nodes := testNodes(3)
	first, second := system.Server(nodes, 0), system.Server(nodes, 1)
	if strings.Contains(first.Files[serverFile], "replicaof") || !strings.Contains(second.Files[serverFile], "\nreplicaof 10.0.0.1 6379\n") {
		t.Errorf("who replicates whom: %s and %s", first.Files[serverFile], second.Files[serverFile])
	}
	for _, want := range []string{"appendonly no", "min-replicas-to-write 1", "dir {data}"} {
		if !strings.Contains(first.Files[serverFile], want+"\n") {
			t.Errorf("redis.conf lacks %q: %s", want, first.Files[serverFile])
		}
	}
	watching := second.Files[sentinelFile]
	for _, want := range []string{
		"sentinel myid " + sentinelID(nodes[1]),
		"sentinel monitor aftershock 10.0.0.1 6379 2",
		"sentinel known-replica aftershock 10.0.0.2 6379",
		"sentinel known-replica aftershock 10.0.0.3 6379",
		"sentinel known-sentinel aftershock 10.0.0.1 26379 " + sentinelID(nodes[0]),
		"sentinel known-sentinel aftershock 10.0.0.3 26379 " + sentinelID(nodes[2]),
	} {
		if strings.Count(watching, want+"\n") != 1 {
			t.Errorf("sentinel.conf lacks %q: %s", want, watching)
		}
	}
	if strings.Contains(watching, "known-sentinel aftershock 10.0.0.2") || len(sentinelID(nodes[0])) != 40 {
		t.Errorf("a Sentinel takes itself for another: %s", watching)
	}
	if of := replicaOf(second.Files[serverFile]); of != "10.0.0.1:6379" {
		t.Errorf("replicaof %q", of)
	}
}

const (
	masterInfo = "# Replication\r\nrole:master\r\nconnected_slaves:1\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=90,lag=1\r\nmaster_replid:aaa\r\nmaster_repl_offset:100\r\n# Persistence\r\nloading:0\r\n"
	slaveInfo  = "role:slave\r\nmaster_host:10.0.0.1\r\nmaster_link_status:up\r\nmaster_sync_in_progress:0\r\nslave_repl_offset:90\r\nmaster_replid:aaa\r\nmaster_repl_offset:90\r\nloading:0\r\n"
)

func TestRoleStatus(t *testing.T) {
	for _, c := range []struct {
		text string
		want targets.Status
	}{
		{masterInfo, targets.Status{Role: targets.Primary, Position: 100, Eligible: true, Healthy: true}},
		{strings.Replace(masterInfo, "loading:0", "loading:1", 1), targets.Status{Role: targets.Primary, Position: 100}},
		{slaveInfo, targets.Status{Role: targets.Replica, Position: 90, Eligible: true, Healthy: true}},
		{strings.Replace(slaveInfo, "link_status:up", "link_status:down", 1), targets.Status{Role: targets.Replica, Position: 90, Eligible: true}},
		{strings.Replace(slaveInfo, "in_progress:0", "in_progress:1", 1), targets.Status{Role: targets.Replica, Position: 90}},
		{strings.Replace(slaveInfo, "loading:0", "loading:1", 1), targets.Status{Role: targets.Replica, Position: 90}},
	} {
		st, err := roleStatus(parseInfo(c.text))
		st.Detail = ""
		if err != nil || st != c.want {
			t.Errorf("%q: %+v %v", c.text, st, err)
		}
	}
	for _, text := range []string{"", "role:sentinel", "role:master\r\nloading:0", "role:slave\r\nslave_repl_offset:-1"} {
		if st, err := roleStatus(parseInfo(text)); err == nil {
			t.Errorf("%q: %+v", text, st)
		}
	}
}

// TestEpochs: a replica is in an epoch's history once it shows the primary's.
func TestEpochs(t *testing.T) {
	e := newEpochs()
	e.set(0, 1)
	e.begin("aaa", 1)
	e.begin("bbb", 2)
	e.begin("aaa", 3) // the first to tell it is right
	if e.node(0) != 1 || e.node(1) != 0 || e.log("aaa") != 1 || e.log("bbb") != 2 || e.log("ccc") != 0 {
		t.Errorf("%+v", e)
	}
}

func TestTogether(t *testing.T) {
	its := func(text string) server {
		fields := parseInfo(text)
		st, err := roleStatus(fields)
		if err != nil {
			t.Fatal(err)
		}
		return server{fields, st}
	}
	for _, c := range []struct {
		name string
		told server
		by   masterView
		addr string
		want uint64
	}{
		{"the first primary", its(masterInfo), masterView{addr: "10.0.0.1", epoch: 0}, "10.0.0.1", 1},
		{"its replica", its(slaveInfo), masterView{addr: "10.0.0.1", epoch: 0}, "10.0.0.2", 1},
		{"a promoted one", its(masterInfo), masterView{addr: "10.0.0.2", epoch: 3}, "10.0.0.2", 4},
		{"an old primary that came back", its(masterInfo), masterView{addr: "10.0.0.2", epoch: 3}, "10.0.0.1", 0},
		{"a replica that still follows the old one", its(slaveInfo), masterView{addr: "10.0.0.2", epoch: 3}, "10.0.0.3", 0},
	} {
		if st := combine(c.told, c.by, c.addr); st.Epoch != c.want {
			t.Errorf("%s: epoch %d", c.name, st.Epoch)
		}
	}
}

func TestParseLag(t *testing.T) {
	lag, addr, err := parseLag("ip=10.0.0.2,port=6379,state=online,offset=90,lag=1", 100)
	if err != nil || addr.String() != "10.0.0.2:6379" || lag.Bytes != 10 || lag.Time != time.Second || lag.Source != lagSource {
		t.Errorf("%+v %v %v", lag, addr, err)
	}
	if lag, _, err = parseLag("ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0,lag=0", 100); err != nil || lag.Bytes != -1 || lag.Time != -1 {
		t.Errorf("%+v %v", lag, err)
	}
	for _, line := range []string{"", "ip=x", "ip=10.0.0.2,port=6379,state=online", "ip=10.0.0.2,port=6379,state=online,offset=1,lag=x"} {
		if lag, _, err := parseLag(line, 1); err == nil {
			t.Errorf("%q: %+v", line, lag)
		}
	}
}

// TestBoth: whichever ends, the other one ends too.
func TestBoth(t *testing.T) {
	if _, err := exec.LookPath("sleep"); err != nil {
		t.Skip("no sleep on this machine")
	}
	never := make(chan os.Signal)
	long, short := exec.Command("sleep", "60"), exec.Command("sleep", "0")
	if err := both(never, long, short); err == nil || !strings.Contains(err.Error(), "sleep 0 ended by itself") {
		t.Errorf("one ended: %v", err)
	}
	if long.ProcessState == nil {
		t.Error("the other one still runs")
	}
	if err := both(never, exec.Command("sleep", "60"), exec.Command("/nonexistent")); err == nil || !strings.Contains(err.Error(), "start") {
		t.Errorf("one did not start: %v", err)
	}
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	if err := both(signals, exec.Command("sleep", "60"), exec.Command("sleep", "60")); err != nil {
		t.Errorf("stopped: %v", err)
	}
}
