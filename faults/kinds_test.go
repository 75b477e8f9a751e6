package faults

import (
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/schema"
)

// TestKinds holds every kind to what the rest of the program takes for granted.
func TestKinds(t *testing.T) {
	for _, k := range table() {
		if k.Name == "" || strings.Contains(k.Name, " ") || k.About == "" || len(k.Victims) == 0 || k.Done == "" {
			t.Errorf("%q is not described, or its name has a space: %+v", k.Name, k.KindInfo)
		}
		if (k.Hold == NoHold) == (k.Steps == nil) || k.Hold != NoHold && k.Enter.Kind == "" {
			t.Errorf("%s needs either a Hold, with its Enter, or Steps", k.Name)
		}
		for _, s := range k.Shapes {
			if s.Name == "" || s.About == "" || len(s.Victims) == 0 {
				t.Errorf("a shape of %s is not described: %+v", k.Name, s)
			}
		}
		for _, key := range schema.Slots(k.Keys, &Spec{}) {
			if key.Name == "" || key.Meaning == "" || !key.Empty() {
				t.Errorf("the key %q of %s is not described", key.Name, k.Name)
			}
		}
		if same, ok := Lookup(k.Name); !ok || same.Name != k.Name {
			t.Errorf("%s is not found", k.Name)
		}
	}
}

func TestOutages(t *testing.T) {
	for name, want := range map[string]bool{"kill": true, "stop": true, "pause": true, "partition": true, "crash": true, "delete": true, "rollout": true, "drain": true, "cordon": false, "exec": true, "power": true, "disk": true, "flip": false, "restart": false, "melt": false} {
		if k, _ := Lookup(name); k.Outage != want {
			t.Errorf("%s is an outage: %v", name, k.Outage)
		}
	}
}

func TestVerify(t *testing.T) {
	for _, tc := range []struct {
		kind     string
		evidence Evidence
		ok       bool
		want     string
	}{
		{"kill", Evidence{}, true, ""},
		{"melt", Evidence{}, true, ""},
		{"power", Evidence{Counts: map[string]uint64{"pages lost": 2, "names lost": 1, "writes": 9}}, true, "lost 2 pages and 1 name that had not been synced"},
		{"power", Evidence{Counts: map[string]uint64{"writes": 9, "syncs": 9}}, true, "lost nothing: all of the 9 writes to disk before it had been synced"},
		{"power", Evidence{Counts: map[string]uint64{"writes": 9, "pages survived": 1}}, true, "lost nothing: what had not been synced survived"},
		{"power", Evidence{}, false, "nothing was written to the data directory before it"},
		{"crash", Evidence{Counts: map[string]uint64{"names lost": 1}}, true, "lost 1 name that had not been synced"},
		{"crash", Evidence{}, true, ""},
		{"disk", Evidence{Healed: true, Counts: map[string]uint64{"calls failed": 1, "calls delayed": 2}}, true, "held up 2 calls and failed 1 call"},
		{"disk", Evidence{Healed: true, Counts: map[string]uint64{"calls failed": 0}}, false, "no call was touched by it"},
		{"disk", Evidence{}, false, "it was not seen to touch a call"},
		{"flip", Evidence{Counts: map[string]uint64{"bits flipped": 1}}, true, "flipped 1 bit"},
		{"flip", Evidence{}, false, "it flipped no bit"},
		{"partition", Evidence{Healed: true, Dropped: 1}, true, "dropped 1 packet"},
		{"partition", Evidence{Healed: true}, false, "it dropped no packet, so nobody can have noticed it"},
		{"partition", Evidence{}, false, "it was not seen to drop a packet: its heal was not recorded"},
	} {
		k, _ := Lookup(tc.kind)
		if words, ok := k.Verify(tc.evidence); ok != tc.ok || !strings.HasPrefix(words, tc.want) || tc.want == "" && words != "" {
			t.Errorf("%s, %+v: %v, %q", tc.kind, tc.evidence, ok, words)
		}
	}
}

func TestTitles(t *testing.T) {
	for _, tc := range []struct {
		spec               Spec
		name, title, brief string
	}{
		{Spec{Kind: "kill", Victim: "primary"}, "kill", "kill primary", "kill primary"},
		{Spec{Kind: "partition", Shape: "isolate", Victim: "n2"}, "partition isolate", "partition isolate n2", "isolate n2"},
		{Spec{Kind: "partition", Shape: "halves"}, "partition halves", "partition halves", "partition halves"},
	} {
		k, _ := Lookup(tc.spec.Kind)
		if name, title := tc.spec.Name(), tc.spec.Title(); name != tc.name || title != tc.title || k.Brief(title) != tc.brief {
			t.Errorf("%+v: %q, %q, %q", tc.spec, name, title, k.Brief(title))
		}
	}
}

func TestKeysOfOtherKinds(t *testing.T) {
	nodes := []string{"n1", "n2"}
	for _, spec := range []Spec{
		{Kind: "kill", Victim: "n1", Shape: "isolate"}, {Kind: "kill", Victim: "n1", From: "all"}, {Kind: "pause", Victim: "n1", Direction: "in"},
	} {
		if err := Validate(spec, nodes, s); err == nil || !strings.Contains(err.Error(), "belong to a partition, not to a "+spec.Kind) {
			t.Errorf("%+v: %v", spec, err)
		}
	}
}
