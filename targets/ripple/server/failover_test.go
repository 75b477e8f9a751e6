package server

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

func TestRestartKeepsRoleAndData(t *testing.T) {
	for _, mode := range []Replication{Async, SemiSync, Sync} {
		t.Run(string(mode), func(t *testing.T) {
			c := newCluster(t, 3, Options{Replication: mode, Fsync: FsyncNever})
			c.form()
			c.dial(0).must("SET", "a", "1")
			for i := range c.nodes {
				c.kill(i)
			}
			for i := range c.nodes {
				c.start(i)
			}
			c.settled(0)
			st := c.nodes[0].Status()
			if st.Role != Primary || st.Epoch != 1 {
				t.Fatalf("%+v", st)
			}
			for i := range c.nodes {
				if v := c.dial(i).get("a"); v != "1" {
					t.Errorf("n%d: a=%q", i, v)
				}
			}
			c.dial(0).must("SET", "a", "2")
		})
	}
}

func TestFreshNodeIsAReplicaWithoutAPrimary(t *testing.T) {
	c := newCluster(t, 1, Options{})
	n := c.dial(0)
	if v := n.must("PING"); v != "PONG" {
		t.Fatal(v)
	}
	n.refused("NOTPRIMARY", "SET", "a", "1")
	if v := n.get("a"); v != "" {
		t.Fatal(v)
	}
	if st := c.nodes[0].Status(); st.Role != Replica || st.Healthy || st.Epoch != 0 {
		t.Fatalf("%+v", st)
	}
	n.must("PROMOTE", 1) // alone: a primary without replicas, in any mode
	n.must("SET", "a", "1")
	n.must("PROMOTE", 1)
	n.refused("STALE", "PROMOTE", 0)
	n.refused("STALE", "FOLLOW", "127.0.0.1:1", 1)
}

// TestOldPrimaryDiscardsWhatDiverged is a split brain and its end.
func TestOldPrimaryDiscardsWhatDiverged(t *testing.T) {
	c := newCluster(t, 3, Options{Replication: Async, Fsync: FsyncNever})
	c.form()
	old := c.dial(0)
	old.must("SET", "a", "1")
	c.settled(0)
	c.cut(0, true)
	old.must("SET", "a", "diverged")
	old.must("SET", "b", "diverged")
	if v := old.get("a"); v != "diverged" {
		t.Fatal(v)
	}
	c.promote(1, 2, 2)
	c.follow(2, 1, 2)
	next := c.dial(1)
	eventually(t, func() error { _, err := next.Do("SET", "a", "2"); return err })
	// Without contact the old primary goes on.
	old.must("SET", "c", "diverged")
	if st := c.nodes[0].Status(); st.Role != Primary || st.Epoch != 1 {
		t.Fatalf("%+v", st)
	}
	c.cut(0, false)
	eventually(t, func() error {
		if st := c.nodes[0].Status(); st.Role != Replica || st.Epoch != 2 {
			return fmt.Errorf("the old primary does not step down: %+v", st)
		}
		return nil
	})
	c.settled(1)
	for i := range c.nodes {
		r := c.dial(i)
		if a, b, cc := r.get("a"), r.get("b"), r.get("c"); a != "2" || b != "" || cc != "" {
			t.Errorf("n%d: a=%q b=%q c=%q", i, a, b, cc)
		}
	}
	old.refused("NOTPRIMARY", "SET", "a", "3")
	// The cut is on disk too.
	c.kill(0)
	c.start(0)
	c.settled(1)
	if v := c.dial(0).get("b"); v != "" {
		t.Fatal(v)
	}
}

// TestOldPrimaryHearsOfAnEpochFromAReplica: the new primary is dead, and only
// one of its replicas can tell.
func TestOldPrimaryHearsOfAnEpochFromAReplica(t *testing.T) {
	c := newCluster(t, 3, Options{Fsync: FsyncNever})
	c.form()
	c.cut(0, true)
	c.promote(1, 2, 2)
	c.follow(2, 1, 2)
	eventually(t, func() error { // its session with the old primary has ended
		if st := c.nodes[2].Status(); !st.Healthy || st.Epoch != 2 {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	c.kill(1)
	c.cut(0, false)
	eventually(t, func() error {
		if st := c.nodes[0].Status(); st.Role != Replica || st.Epoch != 2 || st.Primary != c.link(0, 1) {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
}

// TestFollowInterruptsAGreeting re-points a node that waits for an answer of
// a primary that takes connections and says nothing, as a paused one does.
func TestFollowInterruptsAGreeting(t *testing.T) {
	c := newCluster(t, 3, Options{Fsync: FsyncNever})
	c.promote(0, 1)
	c.links[[2]int{1, 2}].cut(true)
	c.follow(1, 2, 1)
	eventually(t, func() error {
		if c.links[[2]int{1, 2}].connections() == 0 {
			return errors.New("n1 does not dial")
		}
		return nil
	})
	began := time.Now()
	c.follow(1, 0, 1)
	eventually(t, func() error {
		if !c.nodes[1].Status().Healthy {
			return errors.New("n1 does not follow")
		}
		return nil
	})
	if took := time.Since(began); took > streamSilence*9/10 {
		t.Fatalf("it waited for the silent primary: %v", took)
	}
}

func TestSemiSyncNeedsOneReplica(t *testing.T) {
	c := newCluster(t, 3, Options{Replication: SemiSync, Fsync: FsyncNever})
	c.form()
	c.kill(2)
	p := c.dial(0)
	p.must("SET", "a", "1")
	c.kill(1)
	done := make(chan error, 1)
	w := c.dial(0)
	go func() { _, err := w.Do("SET", "a", "2"); done <- err }()
	eventually(t, func() error {
		if st := c.nodes[0].Status(); st.Position <= st.Committed {
			return errors.New("the write is not logged")
		}
		return nil
	})
	if v := p.get("a"); v != "1" {
		t.Fatalf("a=%q is visible before any replica has it", v)
	}
	c.start(2)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestReplicaHearsOfTheNewPrimary: no FOLLOW reaches n2.
func TestReplicaHearsOfTheNewPrimary(t *testing.T) {
	c := newCluster(t, 3, Options{Fsync: FsyncNever})
	c.form()
	c.cut(2, true)
	c.promote(1, 2)
	c.follow(0, 1, 2)
	c.cut(2, false)
	c.settled(1)
}

// load adds elements to the set "s" until stop is called, which returns when
// every writer has ended. Acknowledged elements are added to acked.
func (c *testCluster) load(i int, prefix string, acked map[string]bool) (stop func()) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	end := make(chan struct{})
	for w := range 4 {
		conn := c.dial(i)
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				default:
				}
				element := fmt.Sprint(prefix, "-", w, "-", n)
				if _, err := conn.Do("SADD", "s", element); err != nil {
					if conn.Err() != nil {
						return
					}
					continue
				}
				mu.Lock()
				acked[element] = true
				mu.Unlock()
			}
		})
	}
	return func() { close(end); wg.Wait() }
}

// missing counts the acknowledged elements that a node does not have.
func (c *testCluster) missing(i int, acked map[string]bool) int {
	c.t.Helper()
	members, err := redis.Strings(c.dial(i).Do("SMEMBERS", "s"))
	if err != nil {
		c.t.Fatal(err)
	}
	have := make(map[string]bool, len(members))
	for _, m := range members {
		have[m] = true
	}
	n := 0
	for e := range acked {
		if !have[e] {
			n++
		}
	}
	return n
}

func (c *testCluster) checkPresent(i int, acked map[string]bool) {
	c.t.Helper()
	if n := c.missing(i, acked); n > 0 {
		c.t.Fatalf("n%d lacks %d of %d acknowledged elements", i, n, len(acked))
	}
}
