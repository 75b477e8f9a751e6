package faults

import (
	"strings"
	"testing"
	"time"
)

// The table is whole, and knows some round trips of its source.
func TestRegions(t *testing.T) {
	for i, r := range regions {
		if len(r.rtt) != i || r.place == "" {
			t.Errorf("%s has %d round trips, want %d", r.name, len(r.rtt), i)
		}
	}
	const ms = time.Millisecond
	for pair, want := range map[string]time.Duration{"us-east eu-west": 73 * ms, "eu-west us-east": 73 * ms, "ap-south us-east": 201 * ms, "af-south au-east": 328 * ms, "uk uk": -1, "us-west us-west": 0} {
		a, b, _ := strings.Cut(pair, " ")
		if got, ok := RegionRTT(a, b); ok != (want >= 0) || ok && got != want {
			t.Errorf("%s: %s, %t", pair, got, ok)
		}
	}
	for _, a := range Regions() { // no way around is much shorter than the way
		for _, b := range Regions() {
			for _, c := range Regions() {
				ab, _ := RegionRTT(a, b)
				bc, _ := RegionRTT(b, c)
				if ac, _ := RegionRTT(a, c); ac > ab+bc+60*ms && a != b && b != c {
					t.Errorf("%s to %s is %s, over %s it is %s", a, c, ac, b, ab+bc)
				}
			}
		}
	}
}

func TestWAN(t *testing.T) {
	c := threeNodes()
	w, wrong := ParseWAN(map[string]string{"n1": "eu-west", "n2": "us-east", "n3": "home", "clients": "eu-west", "home/eu-west": "10ms", "us-east/home": "30ms"}, c.Names)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	const ms = time.Millisecond
	for pair, want := range map[[2]int]time.Duration{{0, 1}: 73 * ms, {1, 0}: 73 * ms, {0, 2}: 10 * ms, {1, 2}: 30 * ms, {0, 3}: 0, {1, 3}: 73 * ms, {3, 2}: 10 * ms} {
		if got := w.RTT(pair[0], pair[1]); got != want {
			t.Errorf("%v: %s, want %s", pair, got, want)
		}
	}
	var steps []Step
	for node, links := range w.Links(c) {
		s := Step{Node: node}
		s.Begin.Links = links
		steps = append(steps, s)
	}
	want := "n1: <2 36.5ms, <3 5ms; n2: <1 36.5ms, <3 15ms, <9 36.5ms, <9 36.5ms; n3: <1 5ms, <2 15ms, <9 5ms, <9 5ms"
	if got := shaped(steps); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := w.Describe(c.Names); !strings.HasPrefix(got, "n1 (eu-west) – n2 (us-east) 73ms, n1 (eu-west) – n3 (home) 10ms") {
		t.Error(got)
	}
}

func TestWANIsRefused(t *testing.T) {
	nodes := []string{"n1", "n2"}
	for _, c := range []struct {
		text map[string]string
		want string
	}{
		{map[string]string{"n1": "eu-west", "clients": "eu-west"}, "nobody says where n2 is"},
		{map[string]string{"n1": "eu-west", "n2": "eu-west"}, "nobody says where the harness with its clients is"},
		{map[string]string{"n1": "eu-west", "n2": "eu-weast", "clients": "eu-west"}, `unknown region "eu-weast"`},
		{map[string]string{"n1": "eu-west", "n2": "eu-west", "m3": "eu-west", "clients": "eu-west"}, `unknown node "m3"`},
		{map[string]string{"n1": "eu-west", "n2": "home", "clients": "home", "home/us-east": "4ms"}, "the round trip between eu-west and home is not known"},
		{map[string]string{"n1": "a", "n2": "a", "clients": "a", "a/b": "soon"}, `a/b is "soon"`},
		{map[string]string{"n1": "a", "n2": "a", "clients": "a", "a/a": "1s"}, `"a/a" names no two regions`},
	} {
		_, wrong := ParseWAN(c.text, nodes)
		var told []string
		for _, m := range wrong {
			told = append(told, m.Message)
			if m.Remedy == "" {
				t.Errorf("%v: %q has no remedy", c.text, m.Message)
			}
		}
		if !strings.Contains(strings.Join(told, "; "), c.want) {
			t.Errorf("%v: %v, want %s", c.text, told, c.want)
		}
	}
}
