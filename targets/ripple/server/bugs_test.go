package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

func TestEveryBugHasATest(t *testing.T) {
	tested := map[string]func(*testing.T){
		"ack-before-log":        testAckBeforeLog,
		"drop-acked":            testDropAcked,
		"lose-unsynced":         testLoseUnsynced,
		"promote-stale":         testPromoteStale,
		"stale-primary":         testStalePrimary,
		"reorder-apply":         testReorderApply,
		"double-apply":          testDoubleApply,
		"cas-ignores-old":       testCASIgnoresOld,
		"resurrect-failed":      testResurrectFailed,
		"stale-replica-read":    testStaleReplicaRead,
		"forget-set-on-promote": testForgetSet,
		"sync-degrades":         testSyncDegrades,
		"duplicate-element":     testDuplicateElement,
		"duplicate-dequeue":     testDuplicateDequeue,
		"lifo-dequeue":          testLIFODequeue,
		"unsynced-rename":       testUnsyncedRename,
		"forgets-older":         testForgetsOlder,
	}
	seen := bugSet(0)
	for _, b := range Bugs {
		if b.About == "" || b.Shows == "" || seen&b.bit != 0 {
			t.Errorf("%s: incomplete, or not its own bit", b.Name)
		}
		seen |= b.bit
		test, ok := tested[b.Name]
		if !ok {
			t.Errorf("%s has no test", b.Name)
			continue
		}
		t.Run(b.Name, test)
	}
	if len(tested) != len(Bugs) {
		t.Errorf("%d tests for %d bugs", len(tested), len(Bugs))
	}
	o := Options{Bugs: []string{"acked"}}
	if _, err := newMischief(&o); err == nil || !strings.Contains(err.Error(), "drop-acked") {
		t.Error(err)
	}
}

// buggy is a formed cluster with one defect.
func buggy(t *testing.T, n int, bug string, o Options) *testCluster {
	o.Bugs, o.Seed = []string{bug}, 7
	if o.Fsync == "" {
		o.Fsync = FsyncNever
	}
	c := newCluster(t, n, o)
	c.form()
	return c
}

func testAckBeforeLog(t *testing.T) {
	c := buggy(t, 2, "ack-before-log", Options{Replication: Sync, ReadLease: 100 * time.Millisecond})
	acked := map[string]bool{"x": true}
	c.dial(0).must("SADD", "s", "x")
	if v, err := redis.Strings(c.dial(0).Do("SMEMBERS", "s")); len(v) != 1 || err != nil {
		t.Fatal("the write is not visible", v, err)
	}
	c.kill(0)
	c.promoteAlone(1, 2)
	if n := c.missing(1, acked); n != 1 {
		t.Fatal("the acknowledged element survived")
	}
}

func testDropAcked(t *testing.T) {
	c := buggy(t, 2, "drop-acked", Options{Replication: Sync, BugN: 10})
	acked := map[string]bool{}
	for i := range 200 {
		acked[fmt.Sprint(i)] = true
		c.dial(0).must("SADD", "s", i)
	}
	c.settled(0)
	if n := c.missing(0, acked); n < 5 || n > 60 || n != c.missing(1, acked) {
		t.Fatalf("%d of 200 dropped", n)
	}
}

// testUnsyncedRename: a disk that has not heard of the rename has all the records,
// under a name that the node does not look for.
func testUnsyncedRename(t *testing.T) {
	c := buggy(t, 1, "unsynced-rename", Options{Fsync: FsyncAlways})
	acked := map[string]bool{}
	conn := c.dial(0)
	for i := range 200 {
		e := fmt.Sprintf("element-%d", i)
		conn.must("SADD", "s", e)
		acked[e] = true
	}
	c.kill(0)
	log := filepath.Join(c.dirs[0], logName)
	if err := os.Rename(log, filepath.Join(c.dirs[0], lateName)); err != nil {
		t.Fatal(err)
	}
	c.start(0)
	c.settled(0)
	if n := c.missing(0, acked); n != 200 {
		t.Errorf("%d of 200 lost", n)
	}
}

func testLoseUnsynced(t *testing.T) {
	c := buggy(t, 2, "lose-unsynced", Options{Replication: Sync, Fsync: FsyncInterval, FsyncInterval: time.Hour})
	acked := map[string]bool{"a": true, "b": true}
	c.dial(0).must("SADD", "s", "a", "b")
	c.settled(0)
	for i := range c.nodes {
		c.kill(i)
	}
	for i := range c.nodes {
		c.start(i)
	}
	c.settled(0)
	for i := range c.nodes {
		if n := c.missing(i, acked); n != 2 {
			t.Fatalf("n%d lost %d", i, n)
		}
	}
	// What an fsync covered stays: a clean stop syncs.
	c.dial(0).must("SADD", "s", "a")
	if err := c.nodes[0].Close(); err != nil {
		t.Fatal(err)
	}
	c.start(0)
	c.settled(0)
	if n := c.missing(0, acked); n != 1 {
		t.Fatalf("%d missing", n)
	}
}

func testPromoteStale(t *testing.T) {
	c := buggy(t, 3, "promote-stale", Options{Replication: Sync, BugN: 5, ReadLease: 100 * time.Millisecond})
	acked := map[string]bool{}
	for i := range 8 {
		acked[fmt.Sprint(i)] = true
		c.dial(0).must("SADD", "s", i)
	}
	c.settled(0)
	c.kill(0)
	c.promote(1, 2, 2)
	c.follow(2, 1, 2)
	c.settled(1)
	for i := 1; i <= 2; i++ {
		if n := c.missing(i, acked); n != 5 {
			t.Fatalf("n%d lost %d of 8, not 5", i, n)
		}
	}
}

func testStalePrimary(t *testing.T) {
	c := buggy(t, 3, "stale-primary", Options{Replication: Sync, ReadLease: 100 * time.Millisecond})
	old := c.dial(0)
	old.must("SET", "a", "1")
	c.cut(0, true)
	c.promote(1, 2, 2)
	c.follow(2, 1, 2)
	next := c.dial(1)
	eventually(t, func() error { _, err := next.Do("SET", "a", "2"); return err })
	c.cut(0, false)
	c.follow(0, 1, 2) // it says yes
	time.Sleep(2 * announceEvery)
	if v, err := redis.String(old.Do("PGET", "a")); v != "1" || err != nil {
		t.Fatalf("a=%q %v", v, err)
	}
}

// promoteAlone makes a primary that waits for nobody, and waits until it serves.
func (c *testCluster) promoteAlone(i int, epoch uint64) {
	c.t.Helper()
	n := c.dial(i)
	n.must("PROMOTE", epoch)
	eventually(c.t, func() error { _, err := n.Do("PGET", "a"); return err })
}

// diverges writes increasing values until a replica shows an older one after a
// newer one.
func diverges(t *testing.T, bug string) {
	c := buggy(t, 2, bug, Options{Replication: Async, BugN: 5})
	p, r := c.dial(0), c.dial(1)
	newest := 0
	for i := 1; i <= 200; i++ {
		p.must("SET", "a", i)
		c.settled(0)
		v, err := redis.Int(r.Do("GET", "a"))
		if errors.Is(err, redis.ErrNil) {
			continue // the first record is held back
		}
		if err != nil {
			t.Fatal(err)
		}
		if v < newest {
			if now, err := redis.Int(p.Do("GET", "a")); now != i || err != nil {
				t.Fatal("the primary is wrong too", now, err)
			}
			return
		}
		newest = v
	}
	t.Fatal("values never went back")
}

func testReorderApply(t *testing.T) { diverges(t, "reorder-apply") }

func testDoubleApply(t *testing.T) {
	diverges(t, "double-apply")
	c := buggy(t, 2, "double-apply", Options{Replication: Async, BugN: 5})
	for range 100 {
		c.dial(0).must("INCR", "n")
	}
	c.settled(0)
	if n, err := redis.Int(c.dial(1).Do("GET", "n")); n <= 100 || err != nil {
		t.Fatal(n, err)
	}
}

func testCASIgnoresOld(t *testing.T) {
	c := buggy(t, 2, "cas-ignores-old", Options{Replication: Sync, BugN: 5})
	p := c.dial(0)
	p.must("SET", "a", "right")
	through := 0
	for range 100 {
		if n, err := redis.Int(p.Do("CAS", "a", "wrong", "right")); err == nil && n == 1 {
			through++
		}
	}
	if through < 5 || through > 60 {
		t.Fatalf("%d of 100 went through", through)
	}
}

func testResurrectFailed(t *testing.T) {
	c := buggy(t, 2, "resurrect-failed", Options{Replication: Sync, BugN: 5})
	p := c.dial(0)
	for i := range 200 {
		if _, err := p.Do("SET", "a", i); err != nil {
			if !strings.HasPrefix(err.Error(), "BUSY") {
				t.Fatal(err)
			}
			if v := p.get("a"); v != fmt.Sprint(i) {
				t.Fatalf("the failed write did not take effect: %q", v)
			}
			return
		}
	}
	t.Fatal("no write was refused")
}

func testStaleReplicaRead(t *testing.T) {
	c := buggy(t, 2, "stale-replica-read", Options{Replication: Sync, BugN: 5})
	p, r := c.dial(0), c.dial(1)
	p.must("SET", "a", "1")
	p.must("SET", "a", "2")
	c.settled(0)
	seen := map[string]int{}
	for range 200 {
		seen[r.get("a")]++
		if v := p.get("a"); v != "2" {
			t.Fatal("the primary returned", v)
		}
	}
	if seen["1"] < 10 || seen["1"] > 100 || seen["1"]+seen["2"] != 200 {
		t.Fatal(seen)
	}
}

func testForgetSet(t *testing.T) {
	c := buggy(t, 3, "forget-set-on-promote", Options{Replication: Sync, ReadLease: 100 * time.Millisecond})
	acked := map[string]bool{}
	for i := range 40 {
		acked[fmt.Sprint(i)] = true
		c.dial(0).must("SADD", "s", i)
	}
	c.kill(0)
	c.promote(1, 2, 2)
	c.follow(2, 1, 2)
	c.settled(1)
	for i := 1; i <= 2; i++ {
		if n := c.missing(i, acked); n != 10 {
			t.Fatalf("n%d lost %d of 40", i, n)
		}
	}
}

func testSyncDegrades(t *testing.T) {
	c := buggy(t, 2, "sync-degrades", Options{Replication: Sync, ReadLease: 100 * time.Millisecond})
	c.cut(0, true)
	c.dial(0).must("SADD", "s", "x") // once the stream has fallen silent
	if !c.nodes[1].Status().Eligible {
		t.Fatal("the replica knows that it is not in sync")
	}
	c.kill(0)
	c.promoteAlone(1, 2)
	if n := c.missing(1, map[string]bool{"x": true}); n != 1 {
		t.Fatal("the element is not lost")
	}
}

// testForgetsOlder: a newer primary forgets an older replica, and no other.
func testForgetsOlder(t *testing.T) {
	for version, want := range map[int]int{2: 1, 3: 0} {
		c := newCluster(t, 2, Options{Replication: Sync, ReadLease: 100 * time.Millisecond, Fsync: FsyncNever, Bugs: []string{"forgets-older"}})
		c.exchange(1, version)
		c.form()
		c.cut(0, true)
		acked := map[string]bool{}
		if _, err := c.dial(0).Do("SADD", "s", "x"); err == nil {
			acked["x"] = true
		}
		c.kill(0)
		c.promoteAlone(1, 2)
		if n := c.missing(1, acked); n != want {
			t.Errorf("with a replica of version %d, %d elements were lost, want %d", version, n, want)
		}
	}
}

func testDuplicateElement(t *testing.T) {
	c := buggy(t, 2, "duplicate-element", Options{Replication: Sync, BugN: 5})
	p := c.dial(0)
	p.must("SADD", "s", "a", "b")
	for range 200 {
		v, err := redis.Strings(p.Do("SMEMBERS", "s"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(v, "") == "abb" {
			return
		}
	}
	t.Fatal("no element came twice")
}

// dequeued pushes 1 to 200 and pops until the list is empty.
func dequeued(t *testing.T, bug string) []int {
	c := buggy(t, 2, bug, Options{Replication: Sync, BugN: 5})
	p := c.dial(0)
	for i := 1; i <= 200; i++ {
		p.must("RPUSH", "q", i)
	}
	var all []int
	for range 1000 {
		v, err := redis.Int(p.Do("LPOP", "q"))
		if errors.Is(err, redis.ErrNil) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	t.Fatal("the list does not become empty")
	return nil
}

func testDuplicateDequeue(t *testing.T) {
	all := dequeued(t, "duplicate-dequeue")
	if n := len(all); n < 210 || n > 320 || !slices.IsSorted(all) || len(slices.Compact(all)) != 200 {
		t.Fatalf("%d dequeues: %v", n, all)
	}
}

func testLIFODequeue(t *testing.T) {
	all := dequeued(t, "lifo-dequeue")
	late := 0
	for i := 1; i < len(all); i++ {
		if all[i] < all[i-1] {
			late++
		}
	}
	slices.Sort(all)
	if len(slices.Compact(all)) != 200 || late < 5 || late > 100 {
		t.Fatalf("%d of %d out of order", late, len(all))
	}
}
