package server

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/gomodule/redigo/redis"
)

// call is one operation on a register: "get", "set" or "cas".
type call struct {
	kind     string
	value    int
	old      int
	observed int  // get, and a cas that failed
	failed   bool // cas: the comparison failed
	unknown  bool // it may take effect at any time, or never
}

const nothing = -1

var register = porcupine.Model{
	Init: func() any { return nothing },
	Step: func(state, in, _ any) (bool, any) {
		now, c := state.(int), in.(*call)
		switch c.kind {
		case "get":
			return c.observed == now, now
		case "set":
			return true, c.value
		default:
			if c.failed {
				return c.observed == now && now != c.old, now
			}
			if now != c.old {
				return c.unknown, now // an unknown one may have failed
			}
			return true, c.value
		}
	},
}

// TestSyncIsLinearizable drives one key through failovers: kills, cuts and the
// return of old primaries, with reads from whoever says that it is the primary.
func TestSyncIsLinearizable(t *testing.T) {
	c := newCluster(t, 3, Options{Replication: Sync, Fsync: FsyncNever, ReadLease: 150 * time.Millisecond})
	c.form()
	h := &recorder{begin: time.Now(), end: make(chan struct{})}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() { h.drive(c, w) })
	}
	time.Sleep(100 * time.Millisecond)
	c.cut(0, true)
	c.promote(1, 2, 2)
	c.follow(2, 1, 2)
	time.Sleep(300 * time.Millisecond)
	c.cut(0, false)
	c.settled(1)
	c.promote(2, 3, 0, 1) // a switch without a fault
	c.follow(0, 2, 3)
	time.Sleep(300 * time.Millisecond)
	c.settled(2)
	close(h.end)
	wg.Wait()
	if got := h.acked; got < 100 {
		t.Fatalf("only %d operations were acknowledged", got)
	}
	if res := porcupine.CheckOperationsTimeout(register, h.ops, 20*time.Second); res != porcupine.Ok {
		t.Fatalf("%d operations: %v", len(h.ops), res)
	}
}

// recorder collects the operations of several workers.
type recorder struct {
	begin time.Time
	end   chan struct{}
	mu    sync.Mutex
	ops   []porcupine.Operation
	acked int
}

func (h *recorder) drive(c *testCluster, worker int) {
	r := rand.New(rand.NewPCG(5, uint64(worker)))
	node, value := 0, 0
	var conn redis.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	last := 0
	for {
		select {
		case <-h.end:
			return
		case <-time.After(3 * time.Millisecond): // an open loop would only lengthen the search
		}
		if conn == nil {
			var err error
			if conn, err = redis.Dial("tcp", c.addrs[node], redis.DialReadTimeout(80*time.Millisecond)); err != nil {
				continue
			}
		}
		value++
		op := &call{kind: []string{"get", "get", "set", "cas"}[r.IntN(4)], value: worker*1e6 + value, old: last}
		start := time.Since(h.begin).Nanoseconds()
		err := op.do(conn)
		end := time.Since(h.begin).Nanoseconds()
		if err == nil {
			last = max(0, op.observed) // nothing compares equal to a missing key
			if op.kind == "set" {
				last = op.value
			}
		} else {
			node = (node + 1) % len(c.addrs)
			_ = conn.Close()
			conn = nil
			if op.kind == "get" || refused(err) {
				continue
			}
			op.unknown, end = true, int64(1)<<62
		}
		h.mu.Lock()
		if err == nil {
			h.acked++
		}
		h.ops = append(h.ops, porcupine.Operation{ClientId: worker, Input: op, Call: start, Return: end})
		h.mu.Unlock()
	}
}

func refused(err error) bool {
	return strings.HasPrefix(err.Error(), "NOTPRIMARY") || strings.HasPrefix(err.Error(), "NOQUORUM") ||
		strings.HasPrefix(err.Error(), "BUSY")
}

func (c *call) do(conn redis.Conn) error {
	number := func(v any, err error) error {
		c.observed = nothing
		if b, ok := v.([]byte); ok && err == nil {
			c.observed, err = strconv.Atoi(string(b))
		}
		return err
	}
	switch c.kind {
	case "get":
		return number(conn.Do("PGET", "k"))
	case "set":
		_, err := conn.Do("SET", "k", c.value)
		return err
	}
	v, err := conn.Do("CAS", "k", c.old, c.value)
	if err != nil {
		return err
	}
	if pair, ok := v.([]any); ok {
		c.failed = true
		return number(pair[1], nil)
	}
	if v != int64(1) {
		return fmt.Errorf("CAS answered %v", v)
	}
	return nil
}
