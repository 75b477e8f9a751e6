package redis

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// run starts a server of the target's own configuration and more, and returns
// how to connect.
func run(t *testing.T, more ...string) func() *Client {
	t.Helper()
	path, err := kit.Find(redisBrand.program())
	if err != nil {
		t.Skip(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	dir := t.TempDir()
	config := strings.ReplaceAll(settings{appendOnly: "yes", appendFsync: "no", serveStale: "no", maxLag: 10}.serverConfig(nil), cluster.DataDir, dir)
	_, port, _ := net.SplitHostPort(addr)
	config += "port " + port + "\nbind 127.0.0.1\n" + strings.Join(more, "\n") + "\n"
	file := filepath.Join(dir, "redis.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	var s servers
	connect := func() *Client {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		c := s.newClient(conn, 5*time.Second)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	err = kit.Retry(t.Context(), 5*time.Millisecond, "wait for the server", func() error {
		conn, err := redigo.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Do("ROLE")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return connect
}

func do(t *testing.T, c *Client, op history.Op) history.Op {
	t.Helper()
	c.Do(t.Context(), &op)
	return op
}

// TestRefusalsOfAServer: a server refuses for real what the table calls
// refused, and nothing has happened then.
func TestRefusalsOfAServer(t *testing.T) {
	writes := []history.Op{
		{Kind: history.Write, Key: 1, Value: 1}, {Kind: history.CAS, Key: 1, Old: history.Nil, Value: 1},
		{Kind: history.Add, Key: 1, Value: 1}, {Kind: history.Enqueue, Key: 1, Value: 1}, {Kind: history.Dequeue, Key: 1},
	}
	for _, c := range []struct {
		name, line string
		want       history.Error
	}{
		{"a replica", "replicaof 127.0.0.1 1", history.ErrNotPrimary},
		{"a replica that serves stale data", "replicaof 127.0.0.1 1\nreplica-serve-stale-data yes", history.ErrNotPrimary},
		{"a primary without replicas", "min-replicas-to-write 1", history.ErrNoQuorum},
		{"a full server", "maxmemory 1", history.ErrServer},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := run(t, c.line)()
			for _, op := range writes {
				if op.Kind == history.Dequeue && c.want == history.ErrServer {
					continue // it frees memory
				}
				if op = do(t, client, op); op.Outcome != history.Fail || op.Error != c.want || client.Broken() {
					t.Errorf("%v: %v %v", op.Kind, op.Outcome, op.Error)
				}
			}
			if n, err := redigo.Int(client.conn.Do("DBSIZE")); err == nil && n != 0 {
				t.Errorf("%d keys were made", n)
			}
			if c.want == history.ErrServer {
				return // a full server queues no transaction
			}
			read := do(t, client, history.Op{Kind: history.Read, Key: 1, Flags: history.FromPrimary})
			refused := c.want == history.ErrNotPrimary
			if refused != (read.Outcome == history.Fail) || refused && read.Error != c.want || !refused && read.Value != history.Nil {
				t.Errorf("read of the primary: %v %v %d", read.Outcome, read.Error, read.Value)
			}
		})
	}
}

// TestOperations does everything once for real.
func TestOperations(t *testing.T) {
	connect := run(t)
	c := connect()
	const primary = history.FromPrimary
	for i, step := range []struct {
		op   history.Op
		good func(history.Op) bool
	}{
		{history.Op{Kind: history.Read, Flags: primary}, func(o history.Op) bool { return o.Value == history.Nil }},
		{history.Op{Kind: history.CAS, Old: history.Nil, Value: 5}, nil},
		{history.Op{Kind: history.Write, Value: 6}, nil},
		{history.Op{Kind: history.CAS, Old: 6, Value: -7}, nil},
		{history.Op{Kind: history.Read, Flags: primary}, func(o history.Op) bool { return o.Value == -7 }},
		{history.Op{Kind: history.Read}, func(o history.Op) bool { return o.Value == -7 }},
		{history.Op{Kind: history.Add, Value: 1}, nil},
		{history.Op{Kind: history.Add, Value: 2}, nil},
		{history.Op{Kind: history.ReadSet, Flags: primary}, func(o history.Op) bool { return len(o.Elements) == 2 }},
		{history.Op{Kind: history.ReadSet, Key: 9}, func(o history.Op) bool { return len(o.Elements) == 0 }},
		{history.Op{Kind: history.Mark, Value: 3}, nil},
		{history.Op{Kind: history.Poll}, func(o history.Op) bool { return o.Value == 3 }},
		{history.Op{Kind: history.Dequeue}, func(o history.Op) bool { return o.Value == history.Nil }},
		{history.Op{Kind: history.Enqueue, Value: 11}, nil},
		{history.Op{Kind: history.Enqueue, Value: 12}, nil},
		{history.Op{Kind: history.Dequeue}, func(o history.Op) bool { return o.Value == 11 }},
	} {
		op := do(t, c, step.op)
		if op.Outcome != history.OK || step.good != nil && !step.good(op) {
			t.Errorf("step %d: %+v", i, op)
		}
	}
	op := do(t, c, history.Op{Kind: history.CAS, Old: 1, Value: 2})
	if op.Outcome != history.Fail || op.Error != history.ErrCompare || op.Observed != -7 {
		t.Errorf("comparison: %+v", op)
	}
	if n, err := redigo.Int(c.conn.Do("DBSIZE")); err != nil || n != 4 {
		t.Errorf("%d keys, %v", n, err)
	}
}

// TestDrain returns everything once and in order, also what a consumer left.
func TestDrain(t *testing.T) {
	connect := run(t)
	c, dead := connect(), connect()
	var want []int64
	for i := range int64(moveBatch + 10) {
		want = append(want, i)
		if op := do(t, c, history.Op{Kind: history.Enqueue, Value: i}); op.Outcome != history.OK {
			t.Fatal(op)
		}
	}
	for range moveBatch { // received, never acknowledged
		if _, err := dead.conn.Do("LMOVE", "q0.0", "q0.0"+processingMark+dead.consumer, "LEFT", "RIGHT"); err != nil {
			t.Fatal(err)
		}
	}
	if op := do(t, c, history.Op{Kind: history.Enqueue, Key: 1, Value: 1}); op.Outcome != history.OK {
		t.Fatal(op)
	}
	_ = dead.Close()
	op := do(t, connect(), history.Op{Kind: history.Drain})
	if op.Outcome != history.OK || !slices.Equal(op.Elements, want) {
		t.Errorf("%v: %d messages %s", op.Outcome, len(op.Elements), strconv.Quote(op.Error.String()))
	}
	if op = do(t, c, history.Op{Kind: history.Drain}); op.Outcome != history.OK || len(op.Elements) != 0 {
		t.Errorf("a second time: %+v", op)
	}
	if n, err := redigo.Int(c.conn.Do("DBSIZE")); err != nil || n != 1 {
		t.Errorf("%d keys are left, %v", n, err)
	}
}
