package plan

import (
	"slices"
	"strings"
	"testing"
)

const controlled = `name: kept
target: {name: postgres, options: {synchronous_commit: on}}
workloads: [{name: register, rate: 100/s}]
claims: ["writes.lost == 0", linearizable]
stop_on: violated
control: {set: {target.options.synchronous_commit: off, workloads.register.rate: 50/s}, violates: ["writes.lost == 0"]}
`

func TestControlPlan(t *testing.T) {
	p := parseOne(t, controlled)
	c, err := p.ControlPlan()
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "kept-control" || c.Target.Options["synchronous_commit"] != "off" || c.Workloads[0].Rate != 50 ||
		!slices.Equal(c.Claims, []string{"writes.lost == 0"}) || c.StopOn != "never" || len(c.Control.Violates) > 0 {
		t.Errorf("the control is %+v", c)
	}
	if p.Name != "kept" || p.Target.Options["synchronous_commit"] != "on" || len(p.Claims) != 2 {
		t.Errorf("the plan itself changed: %+v", p)
	}
	if err := c.Validate(); err != nil {
		t.Errorf("the control is no valid plan: %v", err)
	}
	p.Control = Control{}
	if c, err := p.ControlPlan(); c != nil || err != nil {
		t.Errorf("a plan without a control has %v, %v", c, err)
	}
}

// A variant has a control of its own, in which what the control sets wins.
func TestControlOfVariants(t *testing.T) {
	p := parseOne(t, controlled+"vary: {target.options.synchronous_commit: [on, remote_write], seed: [1, 2]}\n")
	variants, err := p.Expand()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variants {
		c, err := v.Plan.ControlPlan()
		if err != nil || c.Target.Options["synchronous_commit"] != "off" || c.Seed != v.Plan.Seed {
			t.Errorf("the control of %s is %+v, %v", v.Labels, c, err)
		}
	}
}

func TestWrongControls(t *testing.T) {
	for control, want := range map[string]string{
		`{violates: ["writes.lost == 1"]}`: `the control violates "writes.lost == 1", which the plan does not claim`,
		`{set: {seed: 3}}`:                 "the control does not say which claims it violates",
		`{set: {target.options.synchronous_comit: off}, violates: [linearizable]}`:                          `in the control: unknown option "synchronous_comit" of target postgres; did you mean "synchronous_commit"?`,
		`{set: {claims: x}, violates: [linearizable]}`:                                                      "a control cannot set claims",
		`{set: {vary: x}, violates: [linearizable]}`:                                                        "a control cannot set vary",
		`{set: {target.replicas: [1, 2]}, violates: [linearizable]}`:                                        "target.replicas wants a single value, not a list",
		`{set: {target.replicas: 99}, violates: [linearizable]}`:                                            "in the control: replicas is 99; it can be 0 to 15",
		`{violates: [linearizable, linearizable]}`:                                                          `the control names "linearizable" twice`,
		`{set: {workloads.register.keys: 0}, violates: [linearizable]}`:                                     "in the control: keys is 0",
		`{set: {workloads.lag.every: 1s}, violates: [linearizable]}`:                                        "workloads has no entry lag",
		`{set: {target.name: memcached, target.options.synchronous_commit: off}, violates: [linearizable]}`: "in the control: ",
	} {
		text := controlled[:strings.Index(controlled, "control:")] + "control: " + control + "\n"
		_, err := Parse("x.yaml", []byte(text), nil, planWords())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "x.yaml:6:") {
			t.Errorf("%s: got %v, want at line 6: %s", control, err, want)
		}
	}
}
