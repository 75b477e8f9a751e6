package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// TestUpgradeAsks: each victim is asked to run the version, and knows of the others.
func TestUpgradeAsks(t *testing.T) {
	k, _ := Lookup("upgrade")
	steps, _ := k.Steps(Planned{Spec: Spec{Kind: "upgrade", Victim: All, To: "2"}}, []int{0, 2}, Cluster{})
	if len(steps) != 2 || steps[1].Node != 2 || steps[1].Begin.Kind != cluster.Upgrade || steps[1].Begin.To != "2" || len(steps[1].Begin.Among) != 2 || steps[0].End.Kind != "" {
		t.Errorf("%+v", steps)
	}
}

func TestUpgradeIsChecked(t *testing.T) {
	nodes := []string{"n1", "n2"}
	for want, s := range map[string]Spec{
		"has no to":              {Kind: "upgrade", Victim: "n1", At: time.Second},
		"leave for out":          {Kind: "upgrade", Victim: "n1", To: "2", At: time.Second, For: time.Second},
		"impossible":             {Kind: "upgrade", Victim: "n9", To: "2", At: time.Second},
		"to belong to a upgrade": {Kind: "kill", Victim: "n1", To: "2", At: time.Second},
		"":                       {Kind: "upgrade", Victim: All, To: "2", At: time.Second},
	} {
		err := Validate(s, nodes, 10*time.Second)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", s, err, want)
		}
	}
}

// TestUpgradeIsSeen: without a server that was replaced there was none.
func TestUpgradeIsSeen(t *testing.T) {
	k, _ := Lookup("upgrade")
	if words, ok := k.Verify(Evidence{Healed: true}); ok {
		t.Errorf("it was seen: %s", words)
	}
	if words, ok := k.Verify(Evidence{Counts: map[string]uint64{CountReplaced: 2}}); !ok || words != "replaced 2 servers" {
		t.Errorf("%q, %v", words, ok)
	}
}

func TestUpgradesInOrder(t *testing.T) {
	var got []string
	for _, s := range Upgrades([]Spec{
		{Every: time.Second, Pick: []Spec{{Kind: "kill"}, {Kind: "upgrade", To: "4"}}},
		{At: 5, Kind: "upgrade", To: "2"}, {At: 1, Kind: "kill"}, {At: 3, Kind: "upgrade", To: "1"},
	}) {
		got = append(got, s.To)
	}
	if strings.Join(got, " ") != "1 2 4" {
		t.Errorf("the upgrades come as %v", got)
	}
}
