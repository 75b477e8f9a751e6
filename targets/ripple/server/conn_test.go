package server

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

func TestCommandsThatToolsSend(t *testing.T) {
	c := newCluster(t, 2, Options{})
	c.form()
	p := c.dial(0)
	if v, err := redis.Strings(p.Do("CONFIG", "GET", "save")); len(v) != 2 || err != nil {
		t.Error(v, err)
	}
	p.must("COMMAND", "DOCS")
	p.must("CLIENT", "SETNAME", "x")
	p.must("select", "0")
	if v, err := redis.String(p.Do("INFO")); err != nil || !strings.Contains(v, "role:primary\r\n") {
		t.Error(v, err)
	}
	role, err := redis.Values(p.Do("ROLE"))
	if err != nil || string(role[0].([]byte)) != "master" || len(role) != 3 {
		t.Error(role, err)
	}
	role, err = redis.Values(c.dial(1).Do("ROLE"))
	if err != nil || string(role[0].([]byte)) != "slave" || string(role[3].([]byte)) != "connected" {
		t.Error(role, err)
	}
	p.refused("ERR unknown command", "FLUSHALL")
	p.refused("ERR unknown command", strings.Repeat("GET", 40))
	p.refused("ERR wrong number", "GET")
	p.refused("ERR wrong number", "SET", "a", "b", "EX", "1")
	p.refused("ERR", "PROMOTE", "x")
	p.refused("ERR", "FOLLOW", "nowhere", "9")
	p.refused("ERR unknown command", "REPL", "x", "1", "0")
	p.refused("ERR want", "REPL2", "3", "x", "1", "5", "1")
	p.refused("ERR the epoch history", "REPL2", "3", "x", "1", "5", "2", "1", "1", "2") // epochs out of order
	p.refused("ERR", "REPL2", "1", "x", "1", "0")
	p.refused("ERR key or value is too long", "SET", strings.Repeat("k", maxKey+1), "v")
	p.must("SET", strings.Repeat("k", maxKey), strings.Repeat("v", 1<<20))
	c.settled(0)
	if v, err := redis.Int(c.dial(1).Do("DBSIZE")); v != 1 || err != nil {
		t.Error(v, err)
	}
}

// TestMalformedRequestsEndOnlyTheirConnection sends what no client should.
func TestMalformedRequestsEndOnlyTheirConnection(t *testing.T) {
	c := newCluster(t, 1, Options{})
	for _, text := range []string{
		"*1\r\n$9223372036854775806\r\nx\r\n",
		"*1\r\n$-5\r\n",
		"*0\r\n",
		"*99999999999999999999\r\n",
		"\"unbalanced\r\n",
		"*2\r\n+x\r\n",
	} {
		conn, err := net.Dial("tcp", c.addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "-ERR") {
			t.Errorf("%q: %q %v", text, answer, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	c.dial(0).must("PING")
}

func TestPendingWritesAreBounded(t *testing.T) {
	c := newCluster(t, 2, Options{Replication: Sync, Fsync: FsyncNever})
	c.form()
	c.kill(1)
	s := c.nodes[0]
	for i := range maxPending + 1 {
		w := &waiter{done: make(chan result, 1)}
		refusal, _ := s.enqueue(w, opSet, []byte("k"), [][]byte{[]byte("v")})
		if (refusal != "") != (i == maxPending) {
			t.Fatalf("write %d: %q", i, refusal)
		}
		if refusal != "" && !strings.HasPrefix(refusal, "BUSY") {
			t.Fatal(refusal)
		}
	}
}

func TestOptionsAreValidated(t *testing.T) {
	good := Options{Name: "a", Data: t.TempDir()}
	for name, change := range map[string]func(*Options){
		"--replication": func(o *Options) { o.Replication = "snyc" },
		"--fsync":       func(o *Options) { o.Fsync = "often" },
		"--apply":       func(o *Options) { o.Apply = "fast" },
		"--name":        func(o *Options) { o.Name = "" },
		"--data":        func(o *Options) { o.Data = "" },
		"--bug-n":       func(o *Options) { o.BugN = -1 },
		"--bug ":        func(o *Options) { o.Bugs = []string{"none-such"} },
		"--read-lease":  func(o *Options) { o.ReadLease = -1 },
		"--peer":        func(o *Options) { o.Peers = map[string]string{"b": "nowhere"} },
		"itself":        func(o *Options) { o.Peers = map[string]string{"a": "x:1"} },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFullDiskEndsTheNode: a log that cannot be written ends the node with an
// error, and the write that met it is not acknowledged.
func TestFullDiskEndsTheNode(t *testing.T) {
	c := newCluster(t, 1, Options{Fsync: FsyncAlways})
	p := c.dial(0)
	p.must("PROMOTE", 1)
	p.must("SET", "a", "1")
	s := c.nodes[0]
	s.walMu.Lock()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	real := s.wal.file
	s.wal.file = full
	s.walMu.Unlock()
	t.Cleanup(func() { _ = real.Close() })
	if v, err := p.Do("SET", "a", "2"); err == nil {
		t.Fatal(v)
	}
	<-s.Done()
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "append to the log") {
		t.Fatal(err)
	}
}

func TestReplayCostIsSpentOnTheCPU(t *testing.T) {
	const cost = 3 * time.Millisecond
	began := time.Now()
	burn(cost)
	if took := time.Since(began); took < cost {
		t.Fatalf("%v of CPU took %v", cost, took)
	}
	// A replica that replays serially falls behind, and says so.
	c := newCluster(t, 2, Options{Fsync: FsyncNever, ReplayCost: cost})
	c.form()
	acked := map[string]bool{}
	stop := c.load(0, "x", acked)
	eventually(t, func() error {
		if st := c.nodes[1].Status(); st.Position < st.Applied+5 {
			return fmt.Errorf("the replica keeps up: %+v", st)
		}
		return nil
	})
	stop()
	c.settled(0)
	c.checkPresent(1, acked)
}

func BenchmarkSet(b *testing.B) {
	for _, mode := range []Replication{Async, SemiSync, Sync} {
		for _, fsync := range []Fsync{FsyncInterval, FsyncAlways} {
			b.Run(fmt.Sprintf("%s/%s", mode, fsync), func(b *testing.B) { benchmarkSet(b, mode, fsync) })
		}
	}
}

// benchmarkSet drives a set of three nodes in this process by 16 connections.
func benchmarkSet(b *testing.B, mode Replication, fsync Fsync) {
	var nodes []*Server
	addrs := []string{"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"}
	for i := range addrs {
		o := Options{Name: fmt.Sprintf("n%d", i), Data: b.TempDir(), Listen: addrs[i], Replication: mode, Fsync: fsync,
			Peers: map[string]string{}}
		for j := range addrs {
			if j < i {
				o.Peers[fmt.Sprintf("n%d", j)] = addrs[j]
			}
		}
		s, err := New(o)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = s.Close() })
		if err := s.Start(); err != nil {
			b.Fatal(err)
		}
		addrs[i] = s.Addr().String()
		nodes = append(nodes, s)
	}
	nodes[0].opts.Peers["n1"] = addrs[1] // semisync asks whether there are any
	if err := nodes[0].promote(1, []string{"n1", "n2"}); err != nil {
		b.Fatal(err)
	}
	for _, s := range nodes[1:] {
		if err := s.follow(addrs[0], 1); err != nil {
			b.Fatal(err)
		}
	}
	for end := time.Now().Add(patience); !nodes[0].Status().Healthy || len(nodes[0].Status().Connected) < 2; {
		if time.Now().After(end) {
			b.Fatal("not formed")
		}
		time.Sleep(time.Millisecond)
	}
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := redis.Dial("tcp", addrs[0])
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		for pb.Next() {
			if _, err := conn.Do("SET", "key", "value"); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sets/s")
}
