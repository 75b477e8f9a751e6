package plan

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/workloads"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
)

const (
	examplePlan = "testdata/example.yaml"
	smallPlan   = "target: {name: postgres}\nworkloads: [{name: register}]\n"
)

func parseOne(t *testing.T, text string, set ...string) *Plan {
	t.Helper()
	var overrides []Override
	for _, s := range set {
		o, err := ParseOverride(s)
		if err != nil {
			t.Fatal(err)
		}
		overrides = append(overrides, o)
	}
	plans, err := Parse("plans/small.yaml", []byte(text), overrides, planWords())
	if err != nil {
		t.Fatal(err)
	}
	if len(plans) != 1 {
		t.Fatalf("%d plans, want 1", len(plans))
	}
	return plans[0]
}

func wantPlan(t *testing.T, got, want *Plan) {
	t.Helper()
	if !samePlan(got, want) {
		t.Errorf("got:  %+v\nwant: %+v", bare(got), bare(want))
	}
}

func TestExamplePlan(t *testing.T) {
	data, err := os.ReadFile(examplePlan)
	if err != nil {
		t.Fatal(err)
	}
	p := parseOne(t, string(data))
	wantPlan(t, p, &Plan{
		Name: "postgres-async", About: "asynchronous replication loses acknowledged writes when the primary dies",
		Seed: 7, Host: "auto",
		Target: Target{Name: "postgres", Replicas: 2, Options: map[string]string{"synchronous_commit": "local"},
			Failover: Failover{After: 2 * time.Second, Choose: "most-advanced"}},
		Workloads: []workloads.Spec{
			{Name: "register", Type: "register", Keys: 64, Mix: map[string]int{"read": 50, "write": 50},
				ReadFrom: "any", Clients: 16, Rate: 2000, Distribution: keys.Spec{Name: keys.Uniform}, Arrival: "constant", Backlog: "catch-up"},
			{Name: "lag", Type: "lag", Keys: 1, Every: 10 * time.Millisecond},
		},
		Warmup: 2 * time.Second, Duration: 20 * time.Second, Settle: 5 * time.Second,
		Faults: []faults.Spec{
			{At: 8 * time.Second, For: 6 * time.Second, Kind: "kill", Victim: "primary"},
			{At: 15 * time.Second, For: 4 * time.Second, Kind: "partition", Shape: "isolate", Victim: "primary", From: "nodes"},
		},
		Claims:   []string{"writes.lost == 0", "reads.staleness.p99 < 1s", "failover.max < 10s"},
		Gates:    Gates{MinOps: 100, RandomFaults: 90},
		StopOn:   "never",
		Timeouts: Timeouts{Connect: 300 * time.Millisecond, Operation: time.Second},
		Vary:     []Vary{{Path: "target.replicas", Values: []string{"1", "2", "4"}}},
	})
}

func TestPlanDefaults(t *testing.T) {
	p := parseOne(t, smallPlan)
	wantPlan(t, p, &Plan{
		Name: "small", Host: "auto",
		Target: Target{Name: "postgres", Replicas: 2, Failover: Failover{After: time.Second, Choose: "most-advanced"}},
		Workloads: []workloads.Spec{{Name: "register", Type: "register", Keys: 4096, Mix: map[string]int{"read": 50, "write": 45, "once": 5},
			ReadFrom: "primary", Clients: 8, Distribution: keys.Spec{Name: keys.Uniform}, Arrival: "constant", Backlog: "catch-up"}},
		Warmup: time.Second, Duration: 10 * time.Second, Settle: 10 * time.Second,
		Gates:    Gates{MinOps: 100, RandomFaults: 90},
		StopOn:   "never",
		Timeouts: Timeouts{Connect: 300 * time.Millisecond, Operation: time.Second},
	})
	if err := p.Validate(); err != nil {
		t.Errorf("a parsed plan does not validate: %v", err)
	}
}

// TestPlanZeros: a zero in a file is meant, also when the plan is validated
// again.
func TestPlanZeros(t *testing.T) {
	p := parseOne(t, "target: {name: postgres, replicas: 0, failover: {after: 0s}}\nworkloads: [{name: register}]\nwarmup: 0s\ngates: {min_ops: 0}\n")
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if p.Target.Replicas != 0 || p.Target.Failover.After != 0 || p.Warmup != 0 || p.Gates.MinOps != 0 {
		t.Errorf("a zero was replaced: %+v", p)
	}
}

func TestPlanFaults(t *testing.T) {
	p := parseOne(t, smallPlan+`
duration: 1m
faults:
  - {at: 0s, pause: random, for: 1.5s}
  - {every: 5s, pick: [{kill: primary, for: 2s}, {partition: {isolate: n2, from: all}, for: 1s}]}
  - {at: 3s, partition: {one-way: primary, direction: in}, for: 2s}
  - {at: 3s, partition: {majority-ring: all}, for: 2s}
  - {at: 4s, partition: {halves: }, for: 2s}
  - at: 5s
    restart: replica
`, "target.replicas=4")
	want := []faults.Spec{
		{For: 1500 * time.Millisecond, Kind: "pause", Victim: "random"},
		{Every: 5 * time.Second, Pick: []faults.Spec{
			{For: 2 * time.Second, Kind: "kill", Victim: "primary"},
			{For: time.Second, Kind: "partition", Shape: "isolate", Victim: "n2", From: "all"},
		}},
		{At: 3 * time.Second, For: 2 * time.Second, Kind: "partition", Shape: "one-way", Victim: "primary", From: "nodes", Direction: "in"},
		{At: 3 * time.Second, For: 2 * time.Second, Kind: "partition", Shape: "majority-ring", Victim: "all", From: "nodes"},
		{At: 4 * time.Second, For: 2 * time.Second, Kind: "partition", Shape: "halves", Victim: "random", From: "nodes"},
		{At: 5 * time.Second, Kind: "restart", Victim: "replica"},
	}
	for i, w := range want {
		if got := p.Faults[i]; !reflect.DeepEqual(got, w) {
			t.Errorf("fault %d:\ngot  %+v\nwant %+v", i, got, w)
		}
	}
}

func TestPlanSpellings(t *testing.T) {
	tests := []struct {
		name, text string
		check      func(*Plan) bool
	}{
		{"rate per minute", "workloads: [{name: register, rate: 120/m}]", func(p *Plan) bool { return p.Workloads[0].Rate == 2 }},
		{"rate bare", "workloads: [{name: register, rate: 2000}]", func(p *Plan) bool { return p.Workloads[0].Rate == 2000 }},
		{"rate fraction", "workloads: [{name: register, rate: 0.5/s}]", func(p *Plan) bool { return p.Workloads[0].Rate == 0.5 }},
		{"rate quoted", `workloads: [{name: register, rate: "7/s"}]`, func(p *Plan) bool { return p.Workloads[0].Rate == 7 }},
		{"hour", "workloads: [{name: register}]\nduration: 1h", func(p *Plan) bool { return p.Duration == time.Hour }},
		{"large seed", "workloads: [{name: register}]\nseed: 18446744073709551615", func(p *Plan) bool { return p.Seed == 1<<64-1 }},
		{"seed with zeros is decimal", "workloads: [{name: register}]\nseed: 0010", func(p *Plan) bool { return p.Seed == 10 }},
		{"own name", "workloads: [{name: a, type: register}, {name: b, type: register}]", func(p *Plan) bool {
			return p.Workloads[0].Name == "a" && p.Workloads[1].Name == "b" && p.Workloads[1].Type == "register"
		}},
		{"type alone", "workloads: [{type: set}]", func(p *Plan) bool { return p.Workloads[0].Name == "set" }},
		{"empty lists", "workloads: [{name: register}]\nclaims:\nfaults: []\nvary:\n", func(p *Plan) bool { return p.Claims == nil && p.Faults == nil && p.Vary == nil }},
		{"literal", "workloads: [{name: register}]\nabout: |\n  one\n  two\n", func(p *Plan) bool { return p.About == "one\ntwo" }},
		{"carriage returns", "workloads: [{name: register}]\r\nseed: 3\r\nwarmup: 2s\r\n", func(p *Plan) bool { return p.Seed == 3 && p.Warmup == 2*time.Second }},
		{"document marks", "workloads: [{name: register}]\nseed: 3\n...\n---\n# nothing\n", func(p *Plan) bool { return p.Seed == 3 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if p := parseOne(t, "\xef\xbb\xbftarget: {name: postgres}\n"+tt.text); !tt.check(p) {
				t.Errorf("read as %+v", bare(p))
			}
		})
	}
}

func TestPlanOptionsKeepTheirSpelling(t *testing.T) {
	p := parseOne(t, `
target:
  name: postgres
  options: {synchronous_commit: on, quorum: 02, wal.keep: 1.50}
workloads: [{name: register}]
`)
	want := map[string]string{"synchronous_commit": "on", "quorum": "02", "wal.keep": "1.50"}
	if !reflect.DeepEqual(p.Target.Options, want) {
		t.Errorf("got %v, want %v", p.Target.Options, want)
	}
}

func TestPlanAnchorsAndMerges(t *testing.T) {
	p := parseOne(t, `
target: {name: postgres}
workloads:
  - &load {name: register, keys: 7, mix: &mix {read: 1, write: 9}}
  - {<<: *load, name: second, type: register, clients: 3}
  - <<: [{keys: 5}, *load]
    name: third
    type: register
    mix: *mix
`, "workloads.2.mix.read=4")
	for i, want := range []struct{ keys, clients, read int }{{7, 8, 1}, {7, 3, 1}, {5, 8, 4}} {
		w := p.Workloads[i]
		if w.Keys != want.keys || w.Clients != want.clients || w.Mix["read"] != want.read || w.Mix["write"] != 9 {
			t.Errorf("workload %d is %+v, want %+v", i, w, want)
		}
	}
}

func TestSeveralPlans(t *testing.T) {
	text := "---\n---\nname: a\n" + smallPlan + "--- # next\n" + smallPlan + "---\nname: c\nseed: 5\n" + smallPlan
	plans, err := Parse("plans/Many_Plans.yaml", []byte(text), []Override{{Path: "warmup", Value: "3s"}}, planWords())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range plans {
		names = append(names, p.Name)
		if p.Warmup != 3*time.Second {
			t.Errorf("the override did not reach %s", p.Name)
		}
	}
	if got := strings.Join(names, " "); got != "a many-plans-2 c" {
		t.Errorf("the plans are %s", got)
	}
}

func TestDocumentsDividedByTheirEnd(t *testing.T) {
	plans, err := Parse("x.yaml", []byte("name: a\n"+smallPlan+"...\nname: b\n"+smallPlan), nil, planWords())
	if err != nil || len(plans) != 2 || plans[0].Name != "a" || plans[1].Name != "b" {
		t.Errorf("%d plans, %v", len(plans), err)
	}
}

func TestErrorsOfSeveralDocuments(t *testing.T) {
	_, err := Parse("x.yaml", []byte("seed: a\n"+smallPlan+"---\nseed: b\n"+smallPlan+"---\na: [\n"), nil, planWords())
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"x.yaml:1:7: seed wants", "x.yaml:5:7: seed wants", "x.yaml:9:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	var first *Error
	if !errors.As(err, &first) || first.Line != 1 || first.Column != 7 || first.Path != "seed" {
		t.Errorf("the first error is %+v", first)
	}
}

// TestShippedPlans: every plan of the project is right, its variants included.
func TestShippedPlans(t *testing.T) {
	shipped := 0
	err := filepath.WalkDir("../../plans", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		shipped++
		if _, err := Load(path, nil, AnyHost()); err != nil {
			t.Error(err)
		}
		return nil
	})
	if err != nil || shipped == 0 {
		t.Errorf("%d plans found: %v", shipped, err)
	}
}

func TestLoadPlans(t *testing.T) {
	dir := t.TempDir()
	big := dir + "/big.yaml"
	if err := os.WriteFile(big, []byte(strings.Repeat("# a comment\n", yamltree.MaxFile/12+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir + "/none.yaml": "no such file or directory; name a plan file",
		dir:                "is a directory",
		big:                "more than 1048576 bytes; split it",
	} {
		_, err := Load(path, nil, AnyHost())
		if !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestValidatePlanMadeInGo(t *testing.T) {
	p := &Plan{Name: "mine", Target: Target{Name: "postgres", Replicas: None}, Warmup: None,
		Workloads: []workloads.Spec{{Name: "register"}}, source: &source{words: planWords(), tree: &yamltree.Node{}}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if p.Target.Replicas != 0 || p.Warmup != 0 || p.Duration != 10*time.Second || p.Host != "auto" || p.Workloads[0].Keys != 4096 {
		t.Errorf("defaults: %+v", p)
	}
	if err := p.Validate(); err != nil || p.Target.Replicas != 0 || p.Warmup != 0 {
		t.Errorf("validated again: %v, %+v", err, p)
	}

	bad := &Plan{Name: "Mine", Target: Target{Replicas: 99}, Duration: -time.Second,
		About: "\xff", Vary: []Vary{{Path: "seed"}}, Claims: make([]string, maxClaims+1)}
	err := bad.Validate()
	if !errors.Is(err, failure.ErrInput) {
		t.Fatalf("taken: %v", err)
	}
	for _, want := range []string{
		`plan: name: name "Mine" is not possible; use a-z, 0-9 and - between them, e.g. mine`,
		"plan: target.replicas: replicas is 99; it can be 0 to 15",
		"plan: duration: duration is -1s; it can be 1ms to 24h",
		"plan: about: about holds something that cannot be printed",
		"plan: vary: vary seed has no values",
		"plan: claims: claims is a list of 101; at most 100 entries are possible",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if _, err := bad.YAML(); !errors.Is(err, failure.ErrInput) {
		t.Errorf("a plan that a file cannot say was written: %v", err)
	}
}

// TestClaimsOnToldLag: a plan whose system tells its lag can claim on it, with
// or without the lag workload.
func TestClaimsOnToldLag(t *testing.T) {
	_, err := Parse("x.yaml", []byte("target: {name: postgres, replicas: 1}\nworkloads: [{name: register}]\n"+
		"claims: [lag.server.p99 < 1s, lag.server.n2.max < 2s, lag.server.bytes.max < 1000000]\n"), nil, planWords())
	if err != nil {
		t.Error(err)
	}
}
