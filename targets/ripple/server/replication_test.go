package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

func TestReplicationInEachMode(t *testing.T) {
	for _, mode := range []Replication{Async, SemiSync, Sync} {
		for _, apply := range []Apply{Serial, Parallel} {
			for _, fsync := range []Fsync{FsyncAlways, FsyncNever} {
				t.Run(fmt.Sprintf("%s-%s-%s", mode, apply, fsync), func(t *testing.T) {
					testReplication(t, Options{Replication: mode, Apply: apply, Fsync: fsync})
				})
			}
		}
	}
}

func testReplication(t *testing.T, o Options) {
	began := time.Now()
	c := newCluster(t, 3, o)
	c.form()
	t.Logf("formed in %v", time.Since(began))
	p := c.dial(0)
	p.must("SET", "a", "1")
	p.must("SET", "a", "2")
	if v, err := redis.Int(p.Do("CAS", "a", "2", "3")); v != 1 || err != nil {
		t.Fatal(v, err)
	}
	v, err := redis.Values(p.Do("CAS", "a", "2", "4"))
	if err != nil || v[0] != int64(0) || string(v[1].([]byte)) != "3" {
		t.Fatal(v, err)
	}
	v, err = redis.Values(p.Do("CAS", "none", "2", "4"))
	if err != nil || v[0] != int64(0) || v[1] != nil {
		t.Fatal(v, err)
	}
	for i := range 5 {
		if n, err := redis.Int(p.Do("INCR", "n")); n != i+1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if n, err := redis.Int(p.Do("SADD", "s", "x", "y", "x")); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	p.must("SET", "gone", "1")
	if n, err := redis.Int(p.Do("DEL", "gone", "never")); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	p.refused("WRONGTYPE", "SADD", "a", "x")
	p.refused("WRONGTYPE", "GET", "s")
	c.settled(0)
	for i := range c.nodes {
		r := c.dial(i)
		if a, n, gone := r.get("a"), r.get("n"), r.get("gone"); a != "3" || n != "5" || gone != "" {
			t.Errorf("n%d: a=%q n=%q gone=%q", i, a, n, gone)
		}
		if s, err := redis.Strings(r.Do("SMEMBERS", "s")); len(s) != 2 || err != nil {
			t.Errorf("n%d: s=%q %v", i, s, err)
		}
	}
	r := c.dial(1)
	r.refused("NOTPRIMARY", "SET", "a", "9")
	r.refused("NOTPRIMARY", "PGET", "a")
	r.refused("NOTPRIMARY", "PSMEMBERS", "s")
}
