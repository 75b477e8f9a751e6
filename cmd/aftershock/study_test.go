package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/harness/studies"
	"github.com/aftershock-chaos/aftershock/plans"
)

// studied are the systems that every sentence is tested on, or says why not.
var studied = []string{"ripple", "postgres", "mariadb", "redis", "etcd", "nats", "memcached"}

// TestShippedStudies: each of the ten sentences has a plan that can be made, also
// quick, on every system, or says why it is not asked of it; and quick studies make
// fewer runs.
func TestShippedStudies(t *testing.T) {
	found := map[int]bool{}
	for _, file := range studyFiles([]string{"replicas"}) {
		list, err := loadPlans(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := studies.New(file, list, studies.Options{})
		if err != nil {
			t.Fatal(err)
		}
		quick, err := studies.New(file, list, studies.Options{Quick: true})
		if err != nil {
			t.Fatal(err)
		}
		found[whole.Study.Sentence] = true
		for _, target := range studied {
			excepted := false
			for _, e := range whole.Study.Except {
				excepted = excepted || e.Target == target
			}
			alone, err := studies.New(file, list, studies.Options{Targets: []string{target}})
			if err != nil {
				t.Fatal(err)
			}
			if !excepted && alone.Empty() {
				t.Errorf("%s is silent about %s", file, target)
			}
		}
		runs, length := whole.Estimate()
		fewer, shorter := quick.Estimate()
		if fewer > runs || shorter*4 > length*3 {
			t.Errorf("%s: quick are %d runs in %s of %d in %s", file, fewer, shorter, runs, length)
		}
		for _, p := range list {
			if len(p.Study.Decide) == 0 {
				t.Errorf("%s: %s decides nothing", file, p.Name)
			}
		}
	}
	for sentence := range 11 {
		if !found[sentence] {
			t.Errorf("sentence %d has no plan (0 is the table)", sentence)
		}
	}
}

func TestStudyFiles(t *testing.T) {
	all := studyFiles([]string{"plans/replicas/"})
	if len(all) != 11 || !slices.Equal(all, studyFiles([]string{"replicas"})) {
		t.Errorf("%v", all)
	}
	for _, file := range all {
		if _, shipped := plans.Read(file); !shipped {
			t.Errorf("%s is not shipped", file)
		}
	}
	if here := studyFiles([]string{"../../plans/replicas"}); len(here) != 11 || !strings.HasSuffix(here[0], ".yaml") {
		t.Errorf("%v", here)
	}
	if one := studyFiles([]string{"replicas/cost", "none"}); !slices.Equal(one, []string{"replicas/cost", "none"}) {
		t.Errorf("%v", one)
	}
}
