package server

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"
)

// exchange starts a node anew as one of another version, on the same data.
func (c *testCluster) exchange(i, version int) {
	c.t.Helper()
	if err := c.nodes[i].Close(); err != nil {
		c.t.Fatal(err)
	}
	was := c.opts.Protocol
	c.opts.Protocol = version
	c.start(i)
	c.opts.Protocol = was
}

// spoken is the protocol that a primary speaks with a replica.
func (s *Server) spoken(replica string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replicas[replica].spoken
}

// TestVersionsMix: neighbours replicate in either direction, and a step of two does not.
func TestVersionsMix(t *testing.T) {
	for _, test := range []struct {
		primary, replica int
		mix              bool
	}{{1, 1, true}, {1, 2, true}, {2, 1, true}, {2, 2, true}, {2, 3, true}, {3, 2, true}, {3, 3, true}, {1, 3, false}, {3, 1, false}} {
		t.Run(fmt.Sprintf("%d-%d", test.primary, test.replica), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 2, Options{Replication: Async, Fsync: FsyncNever})
			c.exchange(0, test.primary)
			c.exchange(1, test.replica)
			c.promote(0, 1)
			c.follow(1, 0, 1)
			if !test.mix {
				for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
					if c.nodes[1].Status().Healthy {
						t.Fatal("they replicate")
					}
				}
				return
			}
			c.dial(0).must("SET", "a", "1")
			c.settled(0)
			if got := c.nodes[0].spoken("n1"); got != min(test.primary, test.replica) {
				t.Errorf("they speak %d", got)
			}
		})
	}
}

// TestRollingVersions: every node goes from 1 to 3 and back, the others staying, and keeps
// what was acknowledged.
func TestRollingVersions(t *testing.T) {
	c := newCluster(t, 2, Options{Replication: Async, Fsync: FsyncNever, Protocol: 1})
	c.form()
	acked := map[string]bool{}
	for round, version := range []int{2, 3, 2, 1} {
		for i := range c.nodes {
			c.exchange(1-i, version)
			c.settled(0) // a primary that starts anew refuses writes until it has committed what it found
			element := fmt.Sprint(round, "-", i)
			c.dial(0).must("SADD", "s", element)
			acked[element] = true
			c.settled(0)
		}
		c.exchange(0, version) // a primary that starts anew is greeted anew
		c.settled(0)
		if got := c.nodes[0].spoken("n1"); got != version {
			t.Errorf("all are of version %d, and speak %d", version, got)
		}
	}
	c.checkPresent(0, acked)
	c.checkPresent(1, acked)
}

// TestMessagesAreSummed: a bit that flips on the way is seen from version 2 on.
func TestMessagesAreSummed(t *testing.T) {
	for _, version := range Protocols {
		text := sum(appendInSync(nil, 7), 0, version)
		if m, err := readMessage(bytes.NewReader(text), version); err != nil || m.epoch != 7 {
			t.Errorf("version %d: %+v, %v", version, m, err)
		}
		text[msgHeader] ^= 4
		if _, err := readMessage(bytes.NewReader(text), version); errors.Is(err, errMessage) != (version >= 2) {
			t.Errorf("version %d with a flipped bit: %v", version, err)
		}
	}
}
