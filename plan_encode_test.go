package aftershock

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/workloads"
)

func TestPlanYAML(t *testing.T) {
	data, err := os.ReadFile(examplePlan)
	if err != nil {
		t.Fatal(err)
	}
	p := parseOne(t, string(data), "about=it's: a #1")
	got, err := p.YAML()
	if err != nil {
		t.Fatal(err)
	}
	const want = `name: postgres-async
about: "it's: a #1"
seed: 7
host: auto
target:
  name: postgres
  replicas: 2
  options: {synchronous_commit: local}
  failover: {after: 2s, choose: most-advanced}
workloads:
  - {name: register, keys: 64, mix: {read: 50, write: 50}, read_from: any, clients: 16, rate: 2000/s, distribution: uniform}
  - {name: lag, every: 10ms}
warmup: 2s
duration: 20s
faults:
  - {at: 8s, kill: primary, for: 6s}
  - {at: 15s, partition: {isolate: primary, from: nodes}, for: 4s}
settle: 5s
claims:
  - writes.lost == 0
  - reads.staleness.p99 < 1s
  - failover.max < 10s
stop_on: never
gates: {min_ops: 100}
timeouts: {connect: 300ms, operation: 1s}
vary:
  target.replicas: [1, 2, 4]
`
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestPlanRoundTrip: whatever plan is valid, its YAML says the same plan.
func TestPlanRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlan(t)
		p.source = &planSource{targets: planTargets(), tree: &treeNode{}}
		if err := p.Validate(); err != nil {
			t.Fatalf("the generated plan is wrong: %v", err)
		}
		text, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parsePlans("x.yaml", text, nil, planTargets())
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if len(again) != 1 || !samePlan(again[0], p) {
			t.Fatalf("read back as:\n%+v\nfrom:\n%s\nof:\n%+v", bare(again[0]), text, bare(p))
		}
		twice, err := again[0].YAML()
		if err != nil || string(twice) != string(text) {
			t.Fatalf("written again as:\n%s\nwant:\n%s", twice, text)
		}
	})
}

func anyPlan(t *rapid.T) *Plan {
	long := rapid.Int64Range(int64(time.Millisecond), int64(24*time.Hour))
	pause := rapid.OneOf(rapid.Just(int64(None)), long)
	length := func(g *rapid.Generator[int64], name string) time.Duration { return time.Duration(g.Draw(t, name)) }
	text := rapid.OneOf(rapid.SampledFrom([]string{"null", "~", "true", "1", "0x1", "", "- a", "a: b", "# c", "'", "\"", "*a", "&a", "!a", "%a", "@", "`", "<<", "a\nb", " a ", "---", "{", "\\n"}),
		rapid.StringOf(rapid.RuneFrom(nil, rapidGraphic...)))
	p := &Plan{
		Name: rapid.StringMatching(`[a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,3}`).Draw(t, "name"), About: text.Draw(t, "about"),
		Seed: rapid.Uint64().Draw(t, "seed"), Host: rapid.SampledFrom(hosts).Draw(t, "host"),
		Target: TargetPlan{Name: "postgres", Image: text.Draw(t, "image"), Replicas: rapid.IntRange(1, 15).Draw(t, "replicas"),
			Failover: Failover{After: length(pause, "after"), Choose: rapid.SampledFrom(choices).Draw(t, "choose")},
			Options:  map[string]string{"wal.keep": text.Draw(t, "option")}},
		Warmup: length(pause, "warmup"), Duration: time.Hour + length(rapid.Int64Range(0, int64(23*time.Hour)), "duration"), Settle: length(long, "settle"),
		Gates:    Gates{MinOps: rapid.OneOf(rapid.Just(None), rapid.IntRange(1, 1<<40)).Draw(t, "min ops")},
		Timeouts: Timeouts{Connect: length(long, "connect"), Operation: length(long, "operation")},
		Claims:   []string{"failover.max < 10s"},
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "workloads") {
		p.Workloads = append(p.Workloads, anyWorkload(t, i))
	}
	if p.Workloads[0].Type == "register" && rapid.Bool().Draw(t, "stop") {
		p.StopOn, p.Claims = "violated", append(p.Claims, "linearizable")
	}
	for range rapid.IntRange(0, 5).Draw(t, "faults") {
		p.Faults = append(p.Faults, anyFault(t))
	}
	if rapid.Bool().Draw(t, "varied") {
		p.Vary = []Vary{{Path: "target.replicas", Values: []string{"3", "1"}}, {Path: "about", Values: rapid.SliceOfNDistinct(text, 1, 3, rapid.ID).Draw(t, "varied texts")}}
	}
	return p
}

func anyWorkload(t *rapid.T, i int) workloads.Spec {
	s := workloads.Spec{Type: rapid.SampledFrom([]string{"register", "set", "queue", "lag"}).Draw(t, "type")}
	s.Name = fmt.Sprintf("w%d", i)
	if s.Type == "lag" {
		s.Every = time.Duration(rapid.Int64Range(1e6, 6e10).Draw(t, "every"))
		return s
	}
	s.Keys = rapid.IntRange(0, 1000).Draw(t, "keys")
	s.Clients = rapid.IntRange(0, 64).Draw(t, "clients")
	s.Rate = rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0.001, 1e8)).Draw(t, "rate")
	s.Distribution = rapid.SampledFrom([]string{"", "uniform", "zipfian"}).Draw(t, "distribution")
	s.ReadFrom = rapid.SampledFrom([]string{"", "primary", "replicas", "any"}).Draw(t, "read from")
	if rapid.Bool().Draw(t, "mixed") {
		operation := map[string]string{"register": "read", "set": "read", "queue": "dequeue"}[s.Type]
		s.Mix = map[string]int{operation: rapid.IntRange(1, 100).Draw(t, "weight")}
	}
	return s
}

func anyFault(t *rapid.T) faults.Spec {
	s := faults.Spec{Kind: rapid.SampledFrom([]string{"kill", "stop", "pause", "restart", "partition"}).Draw(t, "kind"), Victim: "primary"}
	if s.Kind == "partition" {
		s.Shape = rapid.SampledFrom([]string{"isolate", "halves", "one-way"}).Draw(t, "shape")
		if s.Shape == "isolate" {
			s.From = rapid.SampledFrom([]string{"", "nodes", "clients", "all"}).Draw(t, "from")
		}
		if s.Shape == "one-way" {
			s.Direction = rapid.SampledFrom([]string{"", "in", "out"}).Draw(t, "direction")
		}
	}
	s.For = time.Duration(rapid.Int64Range(1e6, 1e9).Draw(t, "for"))
	at := time.Duration(rapid.Int64Range(0, 3e12).Draw(t, "at"))
	if rapid.Bool().Draw(t, "repeats") {
		return faults.Spec{At: at / 2, Every: 10 * time.Second, Pick: []faults.Spec{s}}
	}
	s.At = at
	return s
}

// rapidGraphic are the letters of texts in plans: those that YAML gives a
// meaning, and some from far away.
var rapidGraphic = []*unicode.RangeTable{rangetableOf("abcXYZ019 .,:;#'\"-+*&!%@`|>{}[]()<>=?~\\/_^$"), unicode.Greek, unicode.Han, unicode.So}

func rangetableOf(s string) *unicode.RangeTable {
	runes := []rune(s)
	slices.Sort(runes)
	table := &unicode.RangeTable{}
	for _, r := range slices.Compact(runes) {
		table.R16 = append(table.R16, unicode.Range16{Lo: uint16(r), Hi: uint16(r), Stride: 1})
	}
	table.LatinOffset = len(table.R16)
	return table
}
