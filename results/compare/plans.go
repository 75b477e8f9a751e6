package compare

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/results"
)

// unmeasured are the keys of a plan that change nothing of what a run does, and
// so nothing of what is measured. Where it runs is warned of.
var unmeasured = []string{"name", "about", "seed", "host", "for", "claims", "control", "gates", "repeat", "vary", "find", "study"}

// settingsOf are a plan's single values by their paths, but for the unmeasured.
func settingsOf(text string) (map[string]string, error) {
	return results.PlanSettings(text, unmeasured...)
}

// Digest of what a plan has its run do: equal for plans that differ in their
// names, claims and seeds only. Empty if the text is no plan.
func Digest(plan string) string { return results.PlanDigest(plan, unmeasured...) }

// SamePlan lists the paths in which the effective plans of two groups differ,
// those aside that one of the groups varies: these are what is compared. Runs of
// different plans measure different things.
func SamePlan(base, head Group) ([]string, error) {
	varied := map[string]bool{}
	var first map[string]string
	differ := map[string]bool{}
	for _, g := range []Group{base, head} {
		for _, s := range g.Settings {
			varied[s.Path] = true
		}
	}
	for _, g := range []Group{base, head} {
		for _, run := range g.Runs {
			settings, err := settingsOf(run.Plan.YAML)
			if err != nil || len(settings) == 0 {
				return nil, fmt.Errorf("run %s has no plan: compare runs that aftershock made", run.Run)
			}
			if first == nil {
				first = settings
			}
			for _, path := range sortedKeys(first, settings) {
				if a, b := first[path], settings[path]; a != b && !coveredBy(varied, path) {
					differ[fmt.Sprintf("%s (%s and %s)", path, orAbsent(a), orAbsent(b))] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(differ)), nil
}

// coveredBy tells whether a path, or the workload that it names by number, is
// varied. A varied path may name a workload instead.
func coveredBy(varied map[string]bool, path string) bool {
	for v := range varied {
		if v == path || strings.HasPrefix(path, v+".") {
			return true
		}
		if rest, ok := strings.CutPrefix(v, "workloads."); ok {
			if _, key, ok := strings.Cut(rest, "."); ok && strings.HasPrefix(path, "workloads.") && strings.HasSuffix(path, "."+key) {
				return true
			}
		}
	}
	return false
}

func orAbsent(s string) string {
	if s == "" {
		return "absent"
	}
	return s
}

// volatile marks the parts of a machine's description that change from run to
// run and are not the machine.
var volatile = []string{"load", "steal", "busy", "free", "available", "uptime", "psi", "pressure"}

// machineOf is what a verdict tells of the machine, by path.
func machineOf(v *results.Verdict) map[string]string {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var whole struct{ Machine any }
	if json.Unmarshal(text, &whole) != nil || whole.Machine == nil {
		return nil
	}
	all := map[string]string{}
	results.Flatten(all, "", whole.Machine)
	maps.DeleteFunc(all, func(path, _ string) bool {
		return slices.ContainsFunc(volatile, func(word string) bool { return strings.Contains(path, word) })
	})
	return all
}

func sortedKeys(a, b map[string]string) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}
