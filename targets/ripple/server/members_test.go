package server

import (
	"errors"
	"testing"
)

var errNotYet = errors.New("the write does not wait yet")

// TestForgottenReplicaHoldsNobodyUp: writes that wait for a member that is gone for good
// are acknowledged when it is forgotten, and one that comes back empty under its name
// counts as in sync only when it has everything.
func TestForgottenReplicaHoldsNobodyUp(t *testing.T) {
	c := newCluster(t, 3, Options{Replication: Sync})
	c.form()
	p := c.dial(0)
	p.must("SET", "a", "1")
	c.kill(2)
	written := make(chan error, 1)
	waiting := c.dial(0)
	go func() {
		_, err := waiting.Do("SET", "a", "2")
		written <- err
	}()
	c.dial(1).refused("ERR NOTPRIMARY", "FORGET", "n2")
	eventually(t, func() error { // the write is in the log, and waits
		if st := c.nodes[0].Status(); st.Position == st.Committed {
			return errNotYet
		}
		return nil
	})
	p.must("FORGET", "n2")
	if err := <-written; err != nil {
		t.Fatalf("the write that waited: %v", err)
	}
	if st := c.nodes[0].Status(); len(st.Members) != 1 || st.Members[0] != "n1" {
		t.Errorf("the in-sync set is %v", st.Members)
	}
	c.dirs[2] = t.TempDir()
	c.start(2)
	if c.nodes[2].Status().Eligible {
		t.Error("an empty node may be promoted")
	}
	c.follow(2, 0, 1)
	c.settled(0)
	if got := c.dial(2).get("a"); got != "2" {
		t.Errorf("the new node has %q", got)
	}
}
