package postgres

import (
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/targets"
)

func TestConfigure(t *testing.T) {
	for _, c := range []struct {
		name     string
		replicas int
		options  map[string]string
		wrong    string // part of the error; empty: none
	}{
		{"defaults", 0, nil, ""},
		{"first", 2, map[string]string{optCommit: "remote_apply", optStandbys: "first 2"}, ""},
		{"negative replicas", -1, nil, "negative"},
		{"unknown option", 2, map[string]string{"synchronous_comit": "on"}, "did you mean"},
		{"unknown commit", 2, map[string]string{optCommit: "remote"}, "target.options.synchronous_commit"},
		{"names are the harness's", 2, map[string]string{optStandbys: "FIRST 1 (n2)"}, "FIRST n or ANY n"},
		{"a method is needed", 2, map[string]string{optStandbys: "1"}, "FIRST n or ANY n"},
		{"zero standbys", 2, map[string]string{optStandbys: "ANY 0"}, "at least 1"},
		{"more than there are", 2, map[string]string{optStandbys: "ANY 3"}, "raise target.replicas"},
		{"delay without unit", 2, map[string]string{optDelay: "5"}, "not a duration"},
		{"delay too long", 2, map[string]string{optDelay: "1h"}, "out of range"},
		{"fsync", 2, map[string]string{optFsync: "maybe"}, "target.options.fsync"},
	} {
		_, err := Target{}.Configure(targets.Config{Replicas: c.replicas, Options: c.options})
		if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.wrong)
		}
	}
}

func TestModesAreValid(t *testing.T) {
	for _, m := range (Target{}).Info().Modes {
		if _, err := (Target{}).Configure(targets.Config{Replicas: m.Replicas, Options: m.Options}); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
}

func TestQuorum(t *testing.T) {
	for _, c := range []struct {
		q         quorum
		names     []string
		list      string
		survivors int
	}{
		{quorum{}, []string{"n2"}, "", 2},
		{quorum{"FIRST", 1}, []string{"n2", "n3"}, `FIRST 1 ("n2", "n3")`, 2},
		{quorum{"FIRST", 2}, []string{"n2", "n3"}, `FIRST 2 ("n2", "n3")`, 1},
		{quorum{"FIRST", 2}, []string{"n3"}, `FIRST 1 ("n3")`, 1},
		{quorum{"ANY", 2}, []string{"n2", "n3", "n4"}, `ANY 2 ("n2", "n3", "n4")`, 2},
		{quorum{"ANY", 1}, nil, "", 1},
	} {
		if got := c.q.list(c.names); got != c.list {
			t.Errorf("%v of %v: %s, want %s", c.q, c.names, got, c.list)
		}
		if got := c.q.survivors(len(c.names)); got != c.survivors {
			t.Errorf("%v of %v: %d survivors are needed, want %d", c.q, c.names, got, c.survivors)
		}
	}
}

func TestPromotionNeedsEnoughStandbys(t *testing.T) {
	for _, c := range []struct {
		commit    string
		q         quorum
		listed    []int
		p         int
		followers []int
		ok        bool
	}{
		{"local", quorum{"FIRST", 1}, []int{1, 2}, 1, nil, true}, // promises nothing
		{"on", quorum{}, []int{1, 2}, 1, nil, true},
		{"on", quorum{"FIRST", 1}, []int{1, 2}, 1, []int{2}, true},
		{"on", quorum{"FIRST", 1}, []int{1, 2}, 1, nil, false},
		{"on", quorum{"FIRST", 1}, []int{1, 2}, 1, []int{0}, false}, // node 0 is none of them
		{"on", quorum{"FIRST", 2}, []int{1, 2}, 2, nil, true},
		{"remote_write", quorum{"ANY", 1}, []int{1, 2, 3}, 1, []int{3}, false},
		{"remote_apply", quorum{"ANY", 2}, []int{1, 2, 3}, 1, []int{3}, true},
		{"on", quorum{"FIRST", 1}, nil, 1, nil, true},
	} {
		s := newSystem()
		s.commit, s.quorum = c.commit, c.q
		s.members.set(c.listed)
		if err := s.enoughSeen(c.p, c.followers); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
