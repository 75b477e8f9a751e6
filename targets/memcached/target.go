// Package memcached drives memcached: a cache without replication. Every node
// is alone; it is the client that writes to all of them and reads one, which
// makes redundancy, but no replica set.
//
// It is the shortest target, and the example for new ones: this file says what
// the target is, system.go how its nodes run, client.go how they are spoken to.
package memcached

import (
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Target is memcached as a target of plans. It is one line of the table in
// targets_table.go.
type Target struct{}

// optWrite is the only option; all is its default value.
const (
	optWrite = "write"
	all      = "all"
)

// Info describes memcached: for `aftershock list targets`, for the validation
// of plans, and for the tests, which run every mode on every host.
func (Target) Info() targets.Info {
	return targets.Info{
		Name:  "memcached",
		About: "memcached: independent caches; the client writes to all nodes and reads one",
		Options: []schema.Field{
			{Name: optWrite, Default: all, Words: []string{all, "any"},
				Meaning: "a write is acknowledged when all nodes stored it, or when at least one did"},
		},
		// No CAS: memcached compares versions on one node, which says nothing
		// of the others. No sets: it cannot list keys.
		MaxValue: 1_000_000, // an item has 1 MiB at most, with its head
		Kinds:    []history.Kind{history.Read, history.Write, history.Mark, history.Poll},
		Modes: []targets.Mode{
			{Name: "single", About: "one cache"},
			{Name: "three", About: "three caches that hold the same, as long as none fails", Replicas: 2},
		},
		Servers:  []targets.Server{{Program: "memcached", Install: "apt-get install memcached"}},
		Versions: kit.Versions("memcached", "memcached:", "1.6.38", "1.6.18"),
	}
}

// Configure makes a System of the plan's options. It does no I/O; its errors,
// which kit.NewOptions makes, name the option and the remedy.
func (t Target) Configure(c targets.Config) (targets.System, error) {
	o, err := kit.NewOptions(t.Info(), c)
	if err != nil {
		return nil, err
	}
	s := &System{all: o[optWrite] == all}
	s.clients.Dial, s.operators.Dial = dialClients, dialOperators
	return s, nil
}
