package faults

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const s = time.Second

var three = []string{"n1", "n2", "n3"}

func TestValidate(t *testing.T) {
	four := append(slices.Clone(three), "n4")
	kill := func(length time.Duration) Spec { return Spec{Kind: "kill", Victim: "primary", For: length} }
	for _, tc := range []struct {
		spec  Spec
		nodes []string
		want  string // empty: valid
	}{
		{Spec{At: 8 * s, For: 2 * s, Kind: "kill", Victim: "primary"}, three, ""},
		{Spec{At: 0, Kind: "pause", Victim: "n2"}, three, ""},
		{Spec{Kind: "restart", Victim: "all"}, three, ""},
		{Spec{Kind: "stop", Victim: "replica"}, three, ""},
		{Spec{Kind: "kill", Victim: "primary"}, three[:1], ""},
		{Spec{Kind: "partition", Shape: "isolate", Victim: "primary", From: "clients"}, three[:1], ""},
		{Spec{Kind: "partition", Shape: "halves"}, three, ""},
		{Spec{Kind: "partition", Shape: "bridge", Victim: "n1"}, three, ""},
		{Spec{Kind: "partition", Shape: "majority-ring", Victim: "all"}, four, ""},
		{Spec{Kind: "partition", Shape: "one-way", Victim: "n3", Direction: "in", From: "all"}, three, ""},
		{Spec{Every: 2 * s, For: s, Pick: []Spec{kill(0), {Kind: "restart", Victim: "random"}}}, three, ""},

		{Spec{At: -s, Kind: "kill", Victim: "all"}, three, `fault "kill all at -1s": at is -1s; use 0s or more`},
		{Spec{At: s, For: -s, Kind: "kill", Victim: "all"}, three, "for is -1s"},
		{Spec{At: 10 * s, Kind: "kill", Victim: "primary"}, three, `fault "kill primary at 10s": it starts at 10s, when the measured phase of 10s is over: start it earlier or lengthen duration`},
		{Spec{At: 8 * s, For: 3 * s, Kind: "kill", Victim: "primary"}, three, "it ends at 11s, after the measured phase of 10s"},
		{Spec{At: s, For: 1<<63 - 1, Kind: "kill", Victim: "primary"}, three, "shorten for"},
		{Spec{Kind: "explode", Victim: "all"}, three, `unknown kind "explode"; use one of kill, power, crash, delete, rollout, drain, cordon, stop, pause, restart, partition, link, reset, disk, flip`},
		{Spec{Kind: "kill"}, three, "it has no victim"},
		{Spec{Kind: "kill", Victim: "n9"}, three, `impossible victim "n9"; use primary, replica, random, all or one of the nodes n1, n2, n3`},
		{Spec{Kind: "kill", Victim: "replica"}, three[:1], "raise target.replicas to 1"},
		{Spec{Kind: "kill", Victim: "n1", From: "clients"}, three, "shape, from, direction and also belong to a partition, not to a kill"},
		{Spec{Kind: "partition", Shape: "star", Victim: "n1"}, three, `unknown shape "star"; use one of isolate, halves, bridge, majority-ring, one-way`},
		{Spec{Kind: "partition", Shape: "isolate"}, three, "it has no victim"},
		{Spec{Kind: "partition", Shape: "isolate", Victim: "n1"}, three[:1], "isolate needs at least 2 nodes and there are 1: raise target.replicas to 1"},
		{Spec{Kind: "partition", Shape: "bridge", Victim: "n1"}, three[:2], "needs at least 3 nodes"},
		{Spec{Kind: "partition", Shape: "majority-ring"}, three, "needs at least 4 nodes and there are 3: raise target.replicas to 3"},
		{Spec{Kind: "partition", Shape: "majority-ring", Victim: "n1"}, four, "made of all nodes: use all"},
		{Spec{Kind: "partition", Shape: "halves", Victim: "all"}, three, `impossible victim "all"`},
		{Spec{Kind: "partition", Shape: "halves", From: "clients"}, three, `from is "clients"; halves allows nodes`},
		{Spec{Kind: "partition", Shape: "isolate", Victim: "n1", From: "racks"}, three, `from is "racks"; isolate allows nodes, clients, all`},
		{Spec{Kind: "partition", Shape: "isolate", Victim: "n1", Direction: "in"}, three, "direction is for one-way"},
		{Spec{Kind: "partition", Shape: "one-way", Victim: "n1", Direction: "up"}, three, `direction is "up"; use out or in`},
		{Spec{Every: s}, three, `fault "every 1s": pick is empty`},
		{Spec{Every: -s, Pick: []Spec{kill(s)}}, three, "every is -1s"},
		{Spec{Every: 0, Pick: []Spec{kill(s)}}, three, "every is 0s"},
		{Spec{Every: 20 * s, Pick: []Spec{kill(s)}}, three, "every does not fit"},
		{Spec{Every: 2 * s, Kind: "kill", Pick: []Spec{kill(s)}}, three, "move it into pick"},
		{Spec{Every: 2 * s, For: s, Kind: "kill", Victim: "primary"}, three, ""},
		{Spec{Every: 2 * s, Kind: "restart", Victim: "primary"}, three, ""},
		{Spec{Every: 2 * s, Kind: "kill", Victim: "primary"}, three, "it has no end, so it cannot repeat"},
		{Spec{Every: 2 * s, For: 2 * s, Kind: "kill", Victim: "primary"}, three, "for is 2s, which does not fit into every 2s"},
		{Spec{Every: 20 * s, For: s, Kind: "kill", Victim: "primary"}, three, "its first, at 20s, does not fit"},
		{Spec{Every: 2 * s, For: s, At: 9900 * time.Millisecond, Kind: "kill", Victim: "primary"}, three, "does not fit"},
		{Spec{Every: 1, Kind: "restart", Victim: "primary"}, three, "every is 1ns"},
		{Spec{Every: 2 * s, For: s, Kind: "kill", Victim: "n9"}, three, "impossible victim"},
		{Spec{Every: 2 * s, For: s, Kind: "kil", Victim: "n1"}, three, "unknown kind"},
		{Spec{Every: 2 * s, Pick: []Spec{kill(0)}}, three, "pick 1 (kill primary): it has no end"},
		{Spec{Every: 2 * s, Pick: []Spec{kill(s), kill(2 * s)}}, three, "pick 2 (kill primary): for is 2s, which does not fit into every 2s"},
		{Spec{Every: 2 * s, Pick: []Spec{kill(-s)}}, three, "for is -1s"},
		{Spec{Every: 2 * s, Pick: []Spec{{Kind: "kill", Victim: "n1", At: s, For: s}}}, three, "has no at of its own"},
		{Spec{Every: 2 * s, Pick: []Spec{{Every: s, Pick: []Spec{kill(s)}}}}, three, "cannot itself repeat"},
		{Spec{Every: 2 * s, Pick: []Spec{{Kind: "kill", Victim: "n9", For: s}}}, three, `impossible victim "n9"`},
	} {
		err := Validate(tc.spec, tc.nodes, 10*s)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%+v:\n got %v\nwant %q", tc.spec, err, tc.want)
		}
	}
}

func TestKindsAreListedInTheTablesOrder(t *testing.T) {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
		if k.Name == "partition" && len(k.Shapes) != 5 {
			t.Errorf("partition has %d shapes", len(k.Shapes))
		}
	}
	if got := strings.Join(names, " "); !strings.HasPrefix(got, "kill power crash delete rollout drain cordon stop pause restart partition") {
		t.Error(got)
	}
}

func drawEntry(t *rapid.T) Spec {
	if rapid.Bool().Draw(t, "scheduled") {
		return Spec{Kind: "kill", Victim: "primary", At: time.Duration(rapid.Int64Range(0, int64(20*s)).Draw(t, "at"))}
	}
	every := time.Duration(rapid.Int64Range(int64(minEvery), int64(10*s)).Draw(t, "every"))
	e := Spec{Every: every, At: time.Duration(rapid.Int64Range(0, int64(5*s)).Draw(t, "from"))}
	for range rapid.IntRange(1, 3).Draw(t, "picks") {
		e.Pick = append(e.Pick, Spec{Kind: "pause", Victim: fmt.Sprint("n", len(e.Pick)+1), For: time.Duration(rapid.Int64Range(1, int64(every)-1).Draw(t, "for"))})
	}
	return e
}

func TestSchedule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		specs := rapid.SliceOfN(rapid.Custom(drawEntry), 1, 4).Draw(t, "specs")
		seed := rapid.Uint64().Draw(t, "seed")
		const duration = 20 * s
		all := Schedule(specs, duration, seed)
		if !reflect.DeepEqual(all, Schedule(specs, duration, seed)) {
			t.Fatal("the same arguments gave two schedules")
		}
		if !slices.IsSortedFunc(all, func(a, b Planned) int { return int(a.At - b.At) }) {
			t.Fatal("not sorted")
		}
		scheduled := 0
		for i, p := range all {
			if p.ID != fmt.Sprintf("f%d", i+1) || p.Spec.At != p.At || p.Spec.For != p.For || p.Spec.Every != 0 {
				t.Fatalf("%d: %+v", i, p)
			}
			if p.Spec.Kind == "kill" {
				scheduled++
			} else if p.At+p.For > duration {
				t.Fatalf("%+v does not fit", p)
			}
		}
		for _, e := range specs {
			if e.Every == 0 {
				scheduled--
			}
		}
		if scheduled != 0 {
			t.Fatalf("%d scheduled faults too many", scheduled)
		}
	})
}

func TestRepeatedFaults(t *testing.T) {
	picks := []Spec{{Kind: "kill", Victim: "n1", For: s}, {Kind: "pause", Victim: "n2"}}
	const duration = 4000 * s
	all := Schedule([]Spec{{Every: 4 * s, For: 2 * s, At: 10 * s, Pick: picks}}, duration, 5)
	kinds := map[string]int{}
	for i, p := range all {
		kinds[p.Spec.Kind]++
		if want := map[string]time.Duration{"kill": s, "pause": 2 * s}[p.Spec.Kind]; p.For != want {
			t.Fatalf("%s lasts %s, want %s", p.Spec.Kind, p.For, want)
		}
		if i > 0 && p.At < all[i-1].At+all[i-1].For {
			t.Fatalf("%s begins at %s, before %s has ended", p.ID, p.At, all[i-1].ID)
		}
	}
	if all[0].At < 10*s || all[0].At > 14*s {
		t.Errorf("the first is at %s", all[0].At)
	}
	// About 1000 gaps with a standard deviation of about 1.5 s.
	if mean := (all[len(all)-1].At - all[0].At) / time.Duration(len(all)-1); mean < 3750*time.Millisecond || mean > 4250*time.Millisecond {
		t.Errorf("the mean distance is %s, want 4s", mean)
	}
	if kinds["kill"] < 400 || kinds["pause"] < 400 {
		t.Errorf("not of equal chance: %v", kinds)
	}
	if reflect.DeepEqual(all, Schedule([]Spec{{Every: 4 * s, For: 2 * s, At: 10 * s, Pick: picks}}, duration, 6)) {
		t.Error("the seed does not matter")
	}
}

func TestScheduleIsBounded(t *testing.T) {
	all := Schedule([]Spec{{Every: 1, Pick: []Spec{{Kind: "restart"}}}, {Every: -1}, {Every: s}}, 1e6*s, 1)
	if len(all) > MaxPlanned {
		t.Errorf("%d faults", len(all))
	}
	if always := Schedule([]Spec{{Every: 10 * s, For: 9 * s, Pick: []Spec{{Kind: "kill"}}}}, 10*s, 3); len(always) != 1 {
		t.Errorf("%d faults in the time of one", len(always))
	}
}

func TestResolve(t *testing.T) {
	view := View{Nodes: []NodeView{
		{"n1", Primary, 3, true, false}, {"n2", Primary, 4, true, false}, {"n3", Replica, 4, true, false}, {"n4", Replica, 4, false, false}, {"n5", "", 0, true, false}}}
	resolve := func(p Planned) string {
		victims, err := Resolve(p, view)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(victims)
	}
	for word, want := range map[string]string{Primary: "[1]", All: "[0 1 2 3 4]", "n4": "[3]", "n9": `no node is named "n9"`} {
		if got := resolve(Planned{Spec: Spec{Kind: "kill", Victim: word}}); got != want {
			t.Errorf("%s: got %s, want %s", word, got, want)
		}
	}
	if got := resolve(Planned{Spec: Spec{Kind: "kill", Victim: Primary}, Victims: []string{"n5", "n1", "n5"}}); got != "[4 0]" {
		t.Errorf("replayed victims: %s", got)
	}
	if got := resolve(Planned{Spec: Spec{Kind: "partition", Shape: "majority-ring"}}); got != "[0 1 2 3 4]" {
		t.Errorf("majority-ring: %s", got)
	}
	chosen := map[string]map[string]bool{Replica: {}, Random: {}}
	sides := map[string]bool{}
	for seed := range uint64(200) {
		for word := range chosen {
			chosen[word][resolve(Planned{Spec: Spec{Kind: "kill", Victim: word}, Seed: seed})] = true
		}
		sides[resolve(Planned{Spec: Spec{Kind: "partition", Shape: "halves", Victim: Primary}, Seed: seed})] = true
	}
	if len(chosen[Replica]) != 3 || chosen[Replica]["[1]"] || chosen[Replica]["[3]"] {
		t.Errorf("replicas: %v", chosen[Replica])
	}
	if len(chosen[Random]) != 4 || chosen[Random]["[3]"] {
		t.Errorf("random: %v", chosen[Random])
	}
	if len(sides) != 4 || !sides["[1 0]"] || !sides["[1 3]"] {
		t.Errorf("the primary's side: %v", sides)
	}
}

func TestResolveWithoutAnyone(t *testing.T) {
	view := View{Nodes: []NodeView{{Name: "n1"}, {Name: "n2"}}}
	for _, word := range []string{Primary, Replica, Random} {
		if _, err := Resolve(Planned{Spec: Spec{Kind: "kill", Victim: word}}, view); !errors.Is(err, ErrNoVictim) {
			t.Errorf("%s: %v", word, err)
		}
	}
}

// TestCycles: a fault with every repeats itself at exactly that distance, as often
// as it fits whole.
func TestCycles(t *testing.T) {
	kill := Spec{Kind: "kill", Victim: "primary", Every: 20 * s, For: 5 * s}
	instants := func(spec Spec, duration time.Duration) (at []time.Duration) {
		for i, p := range Schedule([]Spec{{Kind: "pause", Victim: "n1", At: s, For: s}, spec}, duration, 1) {
			if i == 0 {
				continue
			}
			if p.Entry != 2 || p.For != 5*s || p.Spec.Every != 0 || p.Spec.At != p.At || p.Spec.Kind != "kill" {
				t.Errorf("planned %+v", p)
			}
			at = append(at, p.At)
		}
		return at
	}
	if got := instants(kill, 100*s); !slices.Equal(got, []time.Duration{20 * s, 40 * s, 60 * s, 80 * s}) {
		t.Errorf("in 100 s: %v", got)
	}
	if got := instants(kill, 85*s); len(got) != 4 {
		t.Errorf("in 85 s: %v", got)
	}
	if got := instants(kill, 84*s); len(got) != 3 {
		t.Errorf("in 84 s: %v", got)
	}
	kill.At = 2 * s
	if got := instants(kill, 50*s); !slices.Equal(got, []time.Duration{2 * s, 22 * s, 42 * s}) {
		t.Errorf("from 2 s on: %v", got)
	}
	if n := len(Schedule([]Spec{{Kind: "restart", Every: 1}}, 1e6*s, 1)); n != MaxPlanned {
		t.Errorf("%d planned", n)
	}
}
