package claims

import (
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	allcheckers "github.com/aftershock-chaos/aftershock/checkers/all"
)

func TestFactsAreUniqueAndExplained(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Facts() {
		if seen[f.Name] || f.Name == "" {
			t.Errorf("fact %q is there twice or has no name", f.Name)
		}
		seen[f.Name] = true
		if f.Meaning == "" || strings.Contains(f.Meaning, "\n") || f.Unit == "" {
			t.Errorf("fact %s needs a unit and a meaning of one line: %+v", f.Name, f)
		}
	}
}

func TestKnownFact(t *testing.T) {
	for name, want := range map[string]bool{
		"faults.count": true, "latency.p99": true, "latency.write.p999": true, "latency.readset.during.p99": true,
		"latency.mark.p99": false, "latency.<kind>.p99": false, "faults": false, "": false, "latency.write.during.p50": false,
	} {
		if got := KnownFact(name, []string{"n1"}, []string{"f1"}, nil, nil); got != want {
			t.Errorf("KnownFact(%q) = %v", name, got)
		}
	}
}

func TestExpandAndLookup(t *testing.T) {
	facts := []checkers.Fact{{Name: "lag.p99"}, {Name: "lag.<node>.p99", Unit: checkers.Nanos}, {Name: "lag.all.p99", Unit: checkers.Ratio}}
	if f, ok := Lookup(facts, "lag.n-7.p99"); !ok || f.Unit != checkers.Nanos || f.Name != "lag.n-7.p99" {
		t.Errorf("lookup gives %+v, %v", f, ok)
	}
	if f, _ := Lookup(facts, "lag.all.p99"); f.Unit != checkers.Ratio {
		t.Error("a pattern won over the exact name")
	}
	if _, ok := Lookup(facts, "lag.n1.p50"); ok {
		t.Error("found a fact that is not there")
	}
	got := expand("a.<node>.<fault>", []string{"n1", "n2"}, []string{"f1", "f2"}, nil, nil)
	if len(got) != 4 {
		t.Errorf("expand gives %q", got)
	}
}

func TestSuggestFact(t *testing.T) {
	for name, want := range map[string]string{
		"fault.count": "faults.count", "latency.wirte.p99": "latency.write.p99", "latency.writ.during.p99": "latency.write.during.p99",
		"latncy.p99": "latency.p99", "completely.different.thing.at.all": "", "": "",
	} {
		if got := SuggestFact(name); got != want {
			t.Errorf("SuggestFact(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestFormatValue(t *testing.T) {
	for _, tc := range []struct {
		unit checkers.Unit
		n    float64
		want string
	}{
		{checkers.Nanos, 0, "0ns"}, {checkers.Nanos, 812, "812ns"}, {checkers.Nanos, 12345678, "12.3ms"},
		{checkers.Nanos, 999999, "1ms"}, {checkers.Nanos, 1e9, "1s"}, {checkers.Nanos, 59.99e9, "60s"},
		{checkers.Nanos, 123.45e9, "2m3.5s"}, {checkers.Nanos, -300e3, "-300µs"}, {checkers.Nanos, 1e30, "forever"},
		{checkers.Number, 17, "17"}, {checkers.Number, 1234567, "1234567"}, {checkers.Ratio, 0.01234, "0.0123"},
		{checkers.PerSec, 1980.4, "1980/s"}, {checkers.Boolean, 1, "true"}, {checkers.Boolean, 0, "false"},
		{checkers.Bytes, 0, "0 B"}, {checkers.Bytes, 812, "812 B"}, {checkers.Bytes, 999.6, "1 kB"}, {checkers.Bytes, 1234567, "1.23 MB"}, {checkers.Bytes, 5e16, "5e+04 TB"},
	} {
		if got := checkers.FormatValue(tc.unit, tc.n); got != tc.want {
			t.Errorf("FormatValue(%s, %v) = %q, want %q", tc.unit, tc.n, got, tc.want)
		}
	}
}

// TestMeasuredBy: every fact of a checker is found to be its own, and only those.

func TestMeasuredBy(t *testing.T) {
	for _, c := range allcheckers.All() {
		for _, f := range c.Facts {
			name := strings.NewReplacer("<node>", "n1", "<fault>", "f1").Replace(f.Name)
			if by, ok := MeasuredBy(name); !ok || by.Name != c.Name {
				t.Errorf("%s is measured by %q, want %q", name, by.Name, c.Name)
			}
		}
	}
	for _, name := range []string{"latency.mark.p99", "lag.n1.p77"} {
		if by, ok := MeasuredBy(name); ok {
			t.Errorf("%s is measured by %s", name, by.Name)
		}
	}
}
