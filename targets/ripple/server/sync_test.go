package server

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

func TestSyncPrimaryWithoutItsReplicasServesNothing(t *testing.T) {
	c := newCluster(t, 3, Options{Replication: Sync, Fsync: FsyncNever, ReadLease: 300 * time.Millisecond})
	c.form()
	old := c.dial(0)
	old.must("SET", "a", "1")
	c.cut(0, true)
	cutAt := time.Now()
	waiting := make(chan error, 1)
	writer := c.dial(0)
	go func() { _, err := writer.Do("SET", "a", "2"); waiting <- err }()
	// The write is not committed, so it is not visible.
	if v, err := redis.String(old.Do("GET", "a")); err == nil && v != "1" {
		t.Fatalf("a=%q was never committed", v)
	}
	eventually(t, func() error {
		_, err := old.Do("GET", "a")
		if err == nil || !strings.HasPrefix(err.Error(), "NOQUORUM") {
			return fmt.Errorf("still serving: %v", err)
		}
		return nil
	})
	c.promote(1, 2, 2)
	c.follow(2, 1, 2)
	next := c.dial(1)
	eventually(t, func() error { _, err := next.Do("SET", "a", "3"); return err })
	if served := time.Since(cutAt); served < 200*time.Millisecond {
		t.Errorf("the new primary served after %v: the old one may have held its lease", served)
	}
	c.cut(0, false)
	if err := <-waiting; err == nil || !strings.HasPrefix(err.Error(), "STEPPEDDOWN") {
		t.Fatalf("the waiting write ended with %v", err)
	}
	c.settled(1)
	for i := range c.nodes {
		if v := c.dial(i).get("a"); v != "3" {
			t.Errorf("n%d: a=%q", i, v)
		}
	}
	eventually(t, func() error {
		if m := c.nodes[1].Status().InSync; strings.Join(m, ",") != "n0,n2" {
			return fmt.Errorf("in sync: %v", m)
		}
		return nil
	})
}

// TestPromotedNodeWaitsOutTheLease promotes while the old primary still holds
// its lease.
func TestPromotedNodeWaitsOutTheLease(t *testing.T) {
	const lease = 400 * time.Millisecond
	c := newCluster(t, 2, Options{Replication: Sync, Fsync: FsyncNever, ReadLease: lease})
	c.form()
	old, next := c.dial(0), c.dial(1)
	old.must("SET", "a", "1")
	c.cut(0, true)
	began := time.Now()
	next.must("PROMOTE", 2)
	overlap := 0
	for {
		_, newErr := next.Do("PGET", "a")
		_, oldErr := old.Do("PGET", "a")
		if newErr == nil && oldErr == nil {
			t.Fatal("both primaries serve reads")
		}
		if oldErr == nil {
			overlap++
		}
		if newErr == nil {
			break
		}
		if !strings.HasPrefix(newErr.Error(), "NOQUORUM") {
			t.Fatal(newErr)
		}
		if time.Since(began) > patience {
			t.Fatal("the new primary does not serve")
		}
	}
	if overlap == 0 {
		t.Error("the old primary's lease ended at once; the test shows nothing")
	}
}

func TestSyncWaitsForAReplicaAndGoesOnWhenItIsBack(t *testing.T) {
	c := newCluster(t, 3, Options{Replication: Sync, Fsync: FsyncNever})
	c.form()
	c.kill(2)
	done := make(chan error, 1)
	w := c.dial(0)
	go func() { _, err := w.Do("SET", "a", "1"); done <- err }()
	select {
	case err := <-done:
		t.Fatalf("acknowledged without n2: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	// n1 has logged the record, but neither shows it nor remembers it as committed.
	uncommitted := func() {
		t.Helper()
		eventually(t, func() error {
			if st := c.nodes[1].Status(); st.Position != 2 || st.Committed > 1 {
				return fmt.Errorf("%+v", st)
			}
			return nil
		})
		if v := c.dial(1).get("a"); v != "" {
			t.Fatalf("a=%q is visible, though n2 does not have it", v)
		}
	}
	uncommitted()
	c.kill(1)
	c.start(1)
	uncommitted()
	c.start(2)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	c.settled(0)
	for i := range c.nodes {
		if v := c.dial(i).get("a"); v != "1" {
			t.Errorf("n%d: a=%q", i, v)
		}
	}
}

// TestPromotedSyncNodeServesWithItsMembersOnly promotes a node whose member is
// down: what its log holds may not be committed, so it serves nothing yet.
func TestPromotedSyncNodeServesWithItsMembersOnly(t *testing.T) {
	c := newCluster(t, 3, Options{Replication: Sync, Fsync: FsyncNever, ReadLease: 20 * time.Millisecond})
	c.form()
	c.dial(0).must("SET", "a", "1")
	c.kill(0)
	c.kill(2)
	c.promote(1, 2, 2)
	n := c.dial(1)
	eventually(t, func() error {
		_, err := n.Do("SET", "a", "2")
		if err == nil || !strings.HasPrefix(err.Error(), "NOQUORUM the primary has not yet committed") {
			return fmt.Errorf("a write got %v", err)
		}
		return nil
	})
	c.start(2)
	c.follow(2, 1, 2)
	c.settled(1)
	if v := n.get("a"); v != "1" {
		t.Fatalf("a=%q", v)
	}
}

func TestLateReplicaJoinsTheInSyncSet(t *testing.T) {
	c := newCluster(t, 3, Options{Replication: Sync, Fsync: FsyncNever})
	c.cut(2, true) // or it would hear of the primary by itself
	c.promote(0, 1, 1)
	c.follow(1, 0, 1)
	p := c.dial(0)
	eventually(t, func() error { _, err := p.Do("SET", "a", "1"); return err })
	if c.nodes[2].Status().Eligible {
		t.Fatal("a node outside the set is eligible")
	}
	c.cut(2, false)
	c.follow(2, 0, 1)
	c.settled(0) // which demands that each node is eligible
	if m := c.nodes[0].Status().Members; len(m) != 2 {
		t.Fatal(m)
	}
	// The primary remembers its set, and a replica that it is in it.
	for i := range c.nodes {
		c.kill(i)
	}
	c.start(2)
	if !c.nodes[2].Status().Eligible {
		t.Fatal("the replica forgot that it is in sync")
	}
	c.start(0)
	if m := c.nodes[0].Status().Members; len(m) != 2 {
		t.Fatal("the primary forgot its set:", m)
	}
	c.dial(0).refused("NOQUORUM", "SET", "a", "2") // n1 is missing
}

// TestMemberIsToldWhenItHasWhatWasCommitted follows the two steps of joining
// the in-sync set: required at once, told later.
func TestMemberIsToldWhenItHasWhatWasCommitted(t *testing.T) {
	c := newCluster(t, 2, Options{Replication: Sync, Fsync: FsyncNever})
	c.form()
	for i := range 5 {
		c.dial(0).must("SET", "a", i)
	}
	s := c.nodes[0]
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }()
	d, common, err := s.admit(near, hello{name: "late", epoch: 1, last: 2, epochs: []epochStart{{1, 1}}})
	if err != nil || common != 2 {
		t.Fatal(common, err)
	}
	committed := s.Status().Committed
	for _, step := range []struct {
		logged uint64
		told   bool
	}{{committed - 1, false}, {committed, true}} {
		logged, told := step.logged, step.told
		if err := s.acknowledge(d, logged, 0); err != nil {
			t.Fatal(err)
		}
		if m := s.Status().Members; strings.Join(m, ",") != "n1,late" {
			t.Fatal(m)
		}
		var sent uint64
		if _, err := s.nextMessages(d, nil, &sent, false); err != nil {
			t.Fatal(err)
		}
		if in := s.Status().InSync; slices.Contains(in, "late") != told {
			t.Fatalf("with %d of %d records: told %v", logged, committed, in)
		}
	}
	if err := s.acknowledge(d, committed+100, 0); err == nil {
		t.Fatal("it acknowledged what was never sent")
	}
}

// TestSyncLosesNothing kills the primary under load, again and again.
func TestSyncLosesNothing(t *testing.T) {
	c := newCluster(t, 3, Options{Replication: Sync, Fsync: FsyncNever, ReadLease: 100 * time.Millisecond})
	c.form()
	acked := make(map[string]bool)
	primary := 0
	for epoch := uint64(2); epoch < 6; epoch++ {
		stop := c.load(primary, fmt.Sprint("e", epoch), acked)
		time.Sleep(100 * time.Millisecond)
		killed := primary
		c.cut(killed, true) // it takes writes that no replica will get
		time.Sleep(20 * time.Millisecond)
		c.kill(killed)
		c.cut(killed, false)
		stop()
		primary = c.mostAdvanced()
		var others []int
		for i, s := range c.nodes {
			if s != nil && i != primary {
				others = append(others, i)
			}
		}
		c.promote(primary, epoch, others...)
		for _, i := range others {
			c.follow(i, primary, epoch)
		}
		c.start(killed)
		c.follow(killed, primary, epoch)
		c.settled(primary)
		for i := range c.nodes {
			c.checkPresent(i, acked)
		}
	}
	if len(acked) < 100 {
		t.Fatalf("only %d writes were acknowledged", len(acked))
	}
}

// mostAdvanced is the failover operator's choice.
func (c *testCluster) mostAdvanced() int {
	best := -1
	var most Status
	for i, s := range c.nodes {
		if s == nil {
			continue
		}
		st := s.Status()
		if st.Eligible && (best < 0 || st.LogEpoch > most.LogEpoch || st.LogEpoch == most.LogEpoch && st.Position > most.Position) {
			best, most = i, st
		}
	}
	if best < 0 {
		c.t.Fatal("no node is eligible")
	}
	return best
}
