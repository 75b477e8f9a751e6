package results

import (
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
)

// TestTheHarnessIsNotTheSystem: what the generator itself was late decides no claim
// about latency, and no other.
func TestTheHarnessIsNotTheSystem(t *testing.T) {
	known := func(n float64) checkers.Value { return checkers.Value{N: n, Known: true} }
	values := func(share, p99, most float64) map[string]checkers.Value {
		all := map[string]checkers.Value{"latency.write.p99": known(20e6), "latency.p50": known(1e6), "latency.p99": known(9e6), "load.steady.latency.p99": known(20e6), "service.p99": known(5e6),
			"writes.lost": known(0), ownShare: known(share), ownShareP99: known(p99), ownShareMost: known(most)}
		for name, v := range all {
			v.Name = name
			all[name] = v
		}
		return all
	}
	punctual, late, slow := values(0.001, 1e5, 5e7), values(0.02, 1e6, 15e6), values(0.005, 3e6, 5e6)
	for _, tc := range []struct {
		name, claim string
		values      map[string]checkers.Value
		want        Answer
		words       string
	}{
		{"punctual", "latency.write.p99 < 25ms", punctual, Holds, ""},
		{"punctual, violated", "latency.write.p99 < 10ms", punctual, Violated, ""},
		{"2 % late", "latency.write.p99 < 25ms", late, Unproven, "the harness itself, not the system, sent 2 %"},
		{"2 % late, of a phase", "load.steady.latency.p99 < 25ms", late, Unproven, "the harness itself"},
		{"2 % late, and violated by what it may have added", "latency.write.p99 < 10ms", late, Unproven, "the harness itself"},
		{"2 % late, and violated without it", "latency.write.p99 < 4ms", late, Violated, ""},
		{"a tenth of the limit", "latency.write.p99 < 25ms", slow, Unproven, "over a tenth of the limit of 25ms"},
		{"less than a tenth of it", "latency.write.p99 < 40ms", slow, Holds, ""},
		{"the limit of something else", "latency.write.p99 < 40ms and service.p99 < 10ms", slow, Holds, ""},
		{"the tenth of one of two", "latency.p50 < 10ms and latency.write.p99 < 40ms", slow, Unproven, "10ms"},
		{"not about latency", "writes.lost == 0", late, Holds, ""},
		{"decided without it", "writes.lost == 0 or latency.p50 < 1ms", late, Holds, ""},
		{"violated by service times alone", "latency.p99 < 1ms", late, Violated, ""},
		{"service times are from the sending", "service.p99 < 10ms", late, Holds, ""},
		{"a run of before", "latency.write.p99 < 25ms", map[string]checkers.Value{"latency.write.p99": known(20e6)}, Holds, ""},
	} {
		got := judgeClaim(tc.claim, tc.values, true)
		if got.Answer != tc.want || !strings.Contains(got.Detail, tc.words) {
			t.Errorf("%s: %s is %s (%s), want %s", tc.name, tc.claim, got.Answer, got.Detail, tc.want)
		}
	}
}

func TestLoadRemarks(t *testing.T) {
	known := func(n float64) checkers.Value { return checkers.Value{N: n, Known: true} }
	for name, tc := range map[string]struct {
		values map[string]checkers.Value
		want   []string
	}{
		"in time":     {map[string]checkers.Value{"load.late": known(0.001), "load.burst": known(500), ownShare: known(0)}, nil},
		"a burst":     {map[string]checkers.Value{"load.late": known(0.25), "load.burst": known(5000), ownShare: known(0)}, []string{"25 % of the operations were sent more than 10ms late, or never, and in bursts of up to 5000/s"}},
		"the harness": {map[string]checkers.Value{"load.late": known(0.001), ownShare: known(0.02), ownShareMost: known(4e7)}, []string{"the harness itself sent 2 % of the operations more than 10ms late, by up to 40ms"}},
		"skipped":     {map[string]checkers.Value{"load.dropped": known(30), "load.unsent": known(0)}, []string{"30 operations were intended and never sent: they were skipped"}},
		"both":        {map[string]checkers.Value{"load.dropped": known(30), "load.unsent": known(10)}, []string{"20 operations were intended", "10 operations were intended"}},
	} {
		got := loadRemark(tc.values)
		if len(got) != len(tc.want) {
			t.Errorf("%s: %q", name, got)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], tc.want[i]) {
				t.Errorf("%s: %q, want %q", name, got[i], tc.want[i])
			}
		}
	}
}
