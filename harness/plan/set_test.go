package plan

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
)

func TestOverrides(t *testing.T) {
	const text = smallPlan + `
faults: [{at: 3s, kill: primary, for: 1s}]
claims: [writes.lost == 0]
vary: {target.replicas: [1, 2], workloads.register.rate: [10/s, 20/s]}
`
	tests := []struct {
		set   string
		check func(*Plan) bool
	}{
		{"seed=9", func(p *Plan) bool { return p.Seed == 9 }},
		{"about = a = b ", func(p *Plan) bool { return p.About == "a = b" }},
		{"target.replicas=4", func(p *Plan) bool {
			return p.Target.Replicas == 4 && len(p.Vary) == 1 && p.Vary[0].Path == "workloads.register.rate"
		}},
		{"target.failover.after=2s", func(p *Plan) bool { return p.Target.Failover.After == 2*time.Second }},
		{"target.options.synchronous_commit=off", func(p *Plan) bool { return p.Target.Options["synchronous_commit"] == "off" }},
		{"target.options.wal.keep=3", func(p *Plan) bool { return p.Target.Options["wal.keep"] == "3" }},
		{"faults.0.at=5s", func(p *Plan) bool { return p.Faults[0].At == 5*time.Second && p.Faults[0].Victim == "primary" }},
		{"claims.0=writes.lost > 0", func(p *Plan) bool { return p.Claims[0] == "writes.lost > 0" }},
		{"workloads.register.rate=7/s", func(p *Plan) bool { return p.Workloads[0].Rate == 7 && len(p.Vary) == 1 }},
		{"workloads.0.rate=7/s", func(p *Plan) bool { return p.Workloads[0].Rate == 7 && len(p.Vary) == 1 }},
		{"workloads.0.mix.cas=5", func(p *Plan) bool { return reflect.DeepEqual(p.Workloads[0].Mix, map[string]int{"cas": 5}) }},
		{"faults=[]", func(p *Plan) bool { return len(p.Faults) == 0 && len(p.Claims) == 1 }},
		{"faults=[{at: 1s, pause: replica, for: 500ms}, {at: 2s, kill: primary, for: 1s}]", func(p *Plan) bool {
			return len(p.Faults) == 2 && p.Faults[0].Kind == "pause" && p.Faults[1].At == 2*time.Second
		}},
		{"faults.0={at: 4s, stop: n2, for: 1s}", func(p *Plan) bool { return len(p.Faults) == 1 && p.Faults[0].Kind == "stop" }},
		{"about={", func(p *Plan) bool { return p.About == "{" }},
		{"about=[x, y]", func(p *Plan) bool { return p.About == "[x, y]" }},
		{"target.options.wal.keep={a: 1}", func(p *Plan) bool { return p.Target.Options["wal.keep"] == "{a: 1}" }},
		{"claims=[writes.lost > 0, linearizable]", func(p *Plan) bool { return len(p.Claims) == 2 && p.Claims[1] == "linearizable" }},
		{"workloads.register.mix={read: 10, write: 90}", func(p *Plan) bool {
			return reflect.DeepEqual(p.Workloads[0].Mix, map[string]int{"read": 10, "write": 90})
		}},
		{"target={name: etcd}", func(p *Plan) bool { return p.Target.Name == "etcd" }},
		{"gates.min_ops=0", func(p *Plan) bool { return p.Gates.MinOps == 0 }},
	}
	for _, tt := range tests {
		t.Run(tt.set, func(t *testing.T) {
			if p := parseOne(t, text, tt.set); !tt.check(p) {
				t.Errorf("read as %+v", bare(p))
			}
		})
	}
}

// TestOverridesOfWhatIsAWordOrAMap: a word can take a map's place, and a part can
// be added to a word.
func TestOverridesOfWhatIsAWordOrAMap(t *testing.T) {
	const text = "target: {name: postgres}\nworkloads: [{name: register, distribution: zipfian, value: {min: 100B, max: 1kB}}]\n"
	p := parseOne(t, text, "workloads.register.distribution.theta=1.2", "workloads.0.value=2kB")
	if s := p.Workloads[0]; s.Distribution != (keys.Spec{Name: keys.Zipfian, Theta: 1.2}) || s.Value.Size != 2000 || s.Value.Max != 0 {
		t.Errorf("read as %+v", s)
	}
	p = parseOne(t, text, "workloads.register.distribution=uniform", "workloads.0.value.max=2kB")
	if s := p.Workloads[0]; s.Distribution != (keys.Spec{Name: keys.Uniform}) || s.Value.Max != 2000 || s.Value.Min != 100 {
		t.Errorf("read as %+v", s)
	}
}

// TestBrokenBrackets: a list or a map that is none is refused with its path's place, and
// one where a single value belongs by the decoder.
func TestBrokenBrackets(t *testing.T) {
	for set, want := range map[string]string{
		"faults=[{at: 1s, kill: primary": "--set faults=[{at: 1s, kill: primary: this is not YAML",
		"seed=[1, 2]":                    "--set seed=[1, 2]: seed wants",
		"claims={a: b}":                  "--set claims={a: b}: claims wants a list",
	} {
		o, err := ParseOverride(set)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse("x.yaml", []byte(smallPlan), []Override{o}, planWords()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestLaterOverrideWins(t *testing.T) {
	if p := parseOne(t, smallPlan, "seed=1", "seed=2"); p.Seed != 2 {
		t.Errorf("seed is %d", p.Seed)
	}
}

func TestParseOverrideErrors(t *testing.T) {
	for text, want := range map[string]string{
		"seed":                     "--set seed: there is no = in it; write it like --set target.replicas=4",
		"=4":                       "--set =4: there is no path before the =",
		"a..b=4":                   "the path has an empty part",
		"seed=\xff":                "it is not UTF-8 text",
		strings.Repeat("a", 5000):  "longer than 4096 bytes",
		"seed=" + "4\x1b[31m\nred": "",
	} {
		_, err := ParseOverride(text)
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestOverrideErrorIsOneLine: what a person typed cannot take over the terminal.
func TestOverrideErrorIsOneLine(t *testing.T) {
	_, err := Parse("x.yaml", []byte(smallPlan), []Override{{Path: "seed", Value: "4\x1b[31m\nred"}}, planWords())
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("got %q", err)
	}
}
