package plan

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
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
  - {name: register, keys: 64, mix: {read: 50, write: 50}, read_from: any, clients: 16, rate: 2000/s, distribution: uniform, arrival: constant, backlog: catch-up}
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
gates: {min_ops: 100, random_faults: 90}
timeouts: {connect: 300ms, operation: 1s}
vary:
  target.replicas: [1, 2, 4]
`
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestPlanRoundTrip: whatever plan is valid, its YAML says the same plan, and
// has the shape of one.
func TestPlanRoundTrip(t *testing.T) {
	shape := resolved(t, planWords())
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlan(t)
		p.source = &source{words: planWords(), tree: &yamltree.Node{}}
		if err := p.Validate(); err != nil {
			t.Fatalf("the generated plan is wrong: %v", err)
		}
		text, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if err := fits(shape, string(text)); err != nil {
			t.Fatalf("the JSON Schema refuses it: %v\n%s", err, text)
		}
		again, err := Parse("x.yaml", text, nil, planWords())
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
		Seed: rapid.Uint64().Draw(t, "seed"), Host: rapid.SampledFrom(planWords().Hosts).Draw(t, "host"),
		For: Scope{Version: rapid.SampledFrom([]string{"", "<20", ">=3.10", "3.10 || >=17, <18"}).Draw(t, "for")},
		Target: Target{Name: "postgres", Version: rapid.SampledFrom([]string{"", "17", "17.10", "17.0.2"}).Draw(t, "version"), Image: text.Draw(t, "image"), Replicas: rapid.IntRange(1, 15).Draw(t, "replicas"),
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
	if slices.ContainsFunc(p.Workloads, func(w workloads.Spec) bool { return w.Type != "lag" && w.Rate == 0 }) && rapid.Bool().Draw(t, "loaded") {
		p.Load = anyLoad(t, p.Duration)
	}
	if p.Workloads[0].Type == "register" && rapid.Bool().Draw(t, "stop") {
		p.StopOn, p.Claims = "violated", append(p.Claims, "linearizable")
	}
	for range rapid.IntRange(0, 5).Draw(t, "faults") {
		p.Faults = append(p.Faults, anyFault(t))
	}
	if rapid.Bool().Draw(t, "distant") {
		p.WAN = map[string]string{"clients": "eu-west", "eu-west/moon": "1.3s"}
		for i := range 16 {
			p.WAN[nodeName(i)] = "eu-west"
		}
	}
	if rapid.Bool().Draw(t, "controlled") && len(p.Claims) > 0 {
		p.Control = Control{Violates: p.Claims[:1], Set: map[string]string{"target.replicas": "3", "warmup": "2s"}}
	}
	if rapid.Bool().Draw(t, "varied") {
		p.Vary = []Vary{{Path: "target.replicas", Values: []string{"3", "1"}}, {Path: "about", Values: rapid.SliceOfNDistinct(text, 1, 3, rapid.ID).Draw(t, "varied texts")}}
	}
	if rapid.Bool().Draw(t, "zipped") {
		p.Vary = append(p.Vary, Vary{Path: "warmup", Values: []string{"1s", "1s", "2s"}, Zip: true}, Vary{Path: "settle", Values: []string{"3s", "2s", "1s"}, Zip: true})
	}
	p.Repeat = rapid.IntRange(0, maxRepeat).Draw(t, "repeat")
	if rapid.Bool().Draw(t, "found") && len(p.Workloads) == 1 && p.Workloads[0].Type != "lag" && p.Target.Replicas <= 0 && len(p.Vary) == 0 {
		p.Find = Find{Max: "rate", From: 50, Within: 2.5}
	}
	if rapid.Bool().Draw(t, "studied") {
		p.Study = anyStudy(t, text, len(p.Vary) > 0 && p.Vary[0].Path == "target.replicas", p.Find.Asked())
	}
	return p
}

func anyStudy(t *rapid.T, text *rapid.Generator[string], varied, searched bool) question.Study {
	s := question.Study{Says: "s" + text.Draw(t, "says"), Sentence: rapid.IntRange(0, 10).Draw(t, "sentence"), Shows: []string{"failover.max"},
		Except: map[string]string{"etcd": text.Draw(t, "except")}, Quick: question.Quick{Repeat: rapid.IntRange(0, 4).Draw(t, "quick"), Set: map[string]string{"warmup": "1s"}}}
	if searched {
		s.At, s.Runs = 70, 3
	}
	s.Decide = []question.Decision{{Claim: "failover.max < 1s", Expect: question.Sometimes, Says: text.Draw(t, "decided")}}
	if varied {
		s.Decide = append(s.Decide, question.Decision{Fact: "failover.max", Across: "target.replicas", From: "3", To: "1", Expect: question.Rises, By: 2.5,
			Under: map[string]string{"target.replicas": "1"}})
	}
	return s
}

func anySizes(t *rapid.T) payload.Spec {
	size := func(name string) schema.Bytes {
		return schema.Bytes(rapid.Int64Range(payload.Least, payload.Most).Draw(t, name))
	}
	switch rapid.IntRange(0, 3).Draw(t, "sizes") {
	case 1:
		return payload.Spec{Size: size("size")}
	case 2:
		a, b := size("a"), size("b")
		return payload.Spec{Min: min(a, b), Max: max(a, b)}
	case 3:
		return payload.Spec{Sizes: map[string]int{size("one").String(): 3, "7999999B": 0, "7.5MB": 1}}
	}
	return payload.Spec{}
}

func anyDistribution(t *rapid.T) keys.Spec {
	s := keys.Spec{Name: rapid.SampledFrom(append(keys.Names(), "")).Draw(t, "distribution")}
	if rapid.Bool().Draw(t, "its defaults") {
		return s
	}
	switch s.Name {
	case keys.Zipfian, keys.Latest:
		s.Theta = rapid.Float64Range(0.01, 10).Draw(t, "theta")
	case keys.Hotspot:
		s.Keys, s.Operations = rapid.Float64Range(0.0001, 100).Draw(t, "keys"), rapid.Float64Range(0.0001, 100).Draw(t, "operations")
	case keys.Exponential:
		s.Percentile = rapid.Float64Range(0.0001, 99.999).Draw(t, "percentile")
	}
	return s
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
	s.Distribution, s.Value = anyDistribution(t), anySizes(t)
	s.Arrival = rapid.SampledFrom([]string{"", "constant", "poisson"}).Draw(t, "arrival")
	if s.Backlog = rapid.SampledFrom([]string{"", "catch-up", "skip"}).Draw(t, "backlog"); s.Backlog != "skip" {
		s.CatchUp = rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0.001, 1e8)).Draw(t, "catch up")
	}
	s.ReadFrom = rapid.SampledFrom([]string{"", "primary", "replicas", "any"}).Draw(t, "read from")
	if rapid.Bool().Draw(t, "mixed") {
		operation := map[string]string{"register": "read", "set": "read", "queue": "dequeue"}[s.Type]
		s.Mix = map[string]int{operation: rapid.IntRange(1, 100).Draw(t, "weight")}
	}
	return s
}

// anyLoad is a load of a length, of all kinds of phases.
func anyLoad(t *rapid.T, length time.Duration) []pace.Phase {
	rate := func(what string) float64 { return rapid.Float64Range(0.001, 1e8).Draw(t, what) }
	var phases []pace.Phase
	for range rapid.IntRange(1, 5).Draw(t, "phases") {
		p := pace.Phase{Name: fmt.Sprintf("phase-%d", len(phases)), Rate: rate("phase's rate"), For: length / 6}
		switch rapid.IntRange(0, 4).Draw(t, "rule") {
		case 0:
			p.To = rate("to")
		case 1:
			p.Sine = pace.Sine{Amplitude: p.Rate / 2, Period: time.Minute}
		case 2:
			p.Rate = pace.Closed
		case 3:
			p.Rate = 0
		}
		phases = append(phases, p)
	}
	phases[0].For += length - pace.Length(phases)
	return phases
}

func anyFault(t *rapid.T) faults.Spec {
	s := faults.Spec{Kind: rapid.SampledFrom([]string{"kill", "stop", "pause", "restart", "partition", "link", "reset"}).Draw(t, "kind"), Victim: "primary"}
	if s.Kind == "link" {
		s.Link = faults.Link{Delay: time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "delay")), Jitter: time.Duration(rapid.Int64Range(1, 1e9).Draw(t, "jitter")),
			Loss: rapid.Float64Range(0.01, 60).Draw(t, "loss"), Burst: rapid.Float64Range(2, 100).Draw(t, "burst"), Rate: schema.Bits(rapid.Int64Range(1e3, 1e12).Draw(t, "rate"))}
		s.From, s.Direction = rapid.SampledFrom([]string{"", "nodes", "clients", "all"}).Draw(t, "from"), rapid.SampledFrom([]string{"", "both", "in", "out"}).Draw(t, "direction")
	}
	if s.Kind == "partition" {
		s.Shape = rapid.SampledFrom([]string{"isolate", "halves", "one-way"}).Draw(t, "shape")
		if s.Shape == "isolate" {
			s.From = rapid.SampledFrom([]string{"", "nodes", "clients", "all"}).Draw(t, "from")
		}
		if s.Shape == "one-way" {
			s.Direction = rapid.SampledFrom([]string{"", "in", "out"}).Draw(t, "direction")
		}
	}
	if s.Kind != "reset" {
		s.For = time.Duration(rapid.Int64Range(1e6, 1e9).Draw(t, "for"))
	}
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
