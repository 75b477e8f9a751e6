package plan

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestExpandOrder(t *testing.T) {
	p := parseOne(t, smallPlan+"vary:\n  target.replicas: [1, 0]\n  workloads.register.rate: [5/s, 3/s, 4/s]\n")
	variants, err := p.Expand()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range variants {
		got = append(got, strings.Join(v.Labels, " "))
		if len(v.Plan.Vary) != 0 {
			t.Errorf("%s varies still", v.Labels)
		}
		if err := v.Plan.Validate(); err != nil {
			t.Errorf("%s: %v", v.Labels, err)
		}
	}
	want := []string{
		"target.replicas=1 workloads.register.rate=5/s", "target.replicas=1 workloads.register.rate=3/s", "target.replicas=1 workloads.register.rate=4/s",
		"target.replicas=0 workloads.register.rate=5/s", "target.replicas=0 workloads.register.rate=3/s", "target.replicas=0 workloads.register.rate=4/s",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if last := variants[5].Plan; last.Target.Replicas != 0 || last.Workloads[0].Rate != 4 {
		t.Errorf("the last variant is %+v", last)
	}
	if first := variants[0].Plan; first.Target.Replicas != 1 || first.Workloads[0].Rate != 5 {
		t.Errorf("the first variant is %+v", first)
	}
}

// TestExpandZip: the paths of a zip take their values together, as one path does.
func TestExpandZip(t *testing.T) {
	p := parseOne(t, smallPlan+"vary:\n  warmup: [1s, 2s]\n  zip:\n    target.replicas: [1, 0]\n    workloads.register.rate: [5/s, 3/s]\n")
	variants, err := p.Expand()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range variants {
		got = append(got, strings.Join(v.Labels, " "))
	}
	want := []string{
		"warmup=1s target.replicas=1 workloads.register.rate=5/s", "warmup=1s target.replicas=0 workloads.register.rate=3/s",
		"warmup=2s target.replicas=1 workloads.register.rate=5/s", "warmup=2s target.replicas=0 workloads.register.rate=3/s",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if last := variants[3].Plan; last.Target.Replicas != 0 || last.Workloads[0].Rate != 3 || last.Warmup != 2*time.Second {
		t.Errorf("the last variant is %+v", last)
	}
}

// TestFind: a search is asked for in a word or in keys, and keeps the
// proportions of the workloads in each of its runs.
func TestFind(t *testing.T) {
	const loads = "target: {name: postgres}\nworkloads: [{name: register, rate: 300/s}, {name: set, rate: 100/s}, {name: lag}]\nclaims: [\"latency.write.p99 < 20ms\"]\n"
	short, long := parseOne(t, loads+"find: max-rate\n"), parseOne(t, loads+"find: {max: rate, to: 5000/s, within: 2%}\n")
	if short.Find.Filled() != (Find{Max: "rate", From: DefaultFrom, To: DefaultTo, Within: DefaultWithin}) || long.Find != (Find{Max: "rate", To: 5000, Within: 2}) {
		t.Errorf("%+v and %+v", short.Find, long.Find)
	}
	p := short.WithRate(1000)
	if p.Workloads[0].Rate != 750 || p.Workloads[1].Rate != 250 || p.Workloads[2].Rate != 0 || p.Find.Asked() {
		t.Errorf("%+v", p)
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	if short.Workloads[0].Rate != 300 || short.Longer(3).Duration != 3*short.Duration {
		t.Errorf("%+v", short)
	}
}

func TestExpandExample(t *testing.T) {
	data, err := os.ReadFile(examplePlan)
	if err != nil {
		t.Fatal(err)
	}
	p := parseOne(t, string(data))
	variants, err := p.Expand()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 2, 4} {
		whole := *p
		whole.Vary, whole.Target.Replicas = nil, want
		wantPlan(t, variants[i].Plan, &whole)
	}
}

func TestExpandNothing(t *testing.T) {
	p := parseOne(t, smallPlan)
	variants, err := p.Expand()
	if err != nil || len(variants) != 1 || variants[0].Plan != p || variants[0].Labels != nil {
		t.Errorf("got %+v, %v", variants, err)
	}
}

// TestExpandChangedPlan: what was changed after parsing is in the variants.
func TestExpandChangedPlan(t *testing.T) {
	p := parseOne(t, smallPlan+"vary: {target.replicas: [1, 3]}\n")
	p.Seed = 99
	variants, err := p.Expand()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 3} {
		if v := variants[i].Plan; v.Seed != 99 || v.Target.Replicas != want || v.Name != "small" {
			t.Errorf("variant %d is %+v", i, bare(v))
		}
	}
}

// TestVariedTypeTakesItsDefaults: the values that stand beside a varied one are
// the file's, not the defaults of another value.
func TestVariedTypeTakesItsDefaults(t *testing.T) {
	p := parseOne(t, smallPlan+"vary: {workloads.0.name: [register, set]}\n")
	variants, err := p.Expand()
	if err != nil {
		t.Fatal(err)
	}
	if w := variants[1].Plan.Workloads[0]; w.Type != "set" || w.Mix["add"] != 90 {
		t.Errorf("the varied workload is %+v", w)
	}
}

// TestVaryMakesPossible: a plan that varies has to be right in its variants
// only.
func TestVaryMakesPossible(t *testing.T) {
	parseOne(t, smallPlan+"faults: [{at: 1s, kill: n5, for: 1s}]\nvary: {target.replicas: [4, 5]}\n")
}
