package aftershock

import (
	"github.com/aftershock-chaos/aftershock/internal/spelling"

	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// maxName bounds the names of plans and workloads, which become names of files
// and parts of facts.
const maxName = 64

// maxText bounds the free texts of a plan, in bytes.
const maxText = 4096

var goodName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Validate applies the defaults and checks the whole plan, or, of one that
// varies, every plan that it stands for. Errors are *PlanError, joined, and
// wrap ErrInput.
func (p *Plan) Validate() error {
	p.fill()
	return joinPlanErrors(p.check(p.knownTargets()))
}

func (p *Plan) knownTargets() []targets.Target {
	if p.source != nil {
		return p.source.targets
	}
	return Targets()
}

// wrong makes an error about the value at a path, at its place in the file.
func (p *Plan) wrong(path, message, remedy string) *PlanError {
	if p.source == nil {
		return &PlanError{Path: path, Message: message, Remedy: remedy}
	}
	return p.source.at(p.source.find(path).place, path, message, remedy)
}

// check finds the mistakes of a plan that has its defaults.
func (p *Plan) check(known []targets.Target) []*PlanError {
	found := p.checkOwn()
	if len(found) > 0 {
		return found
	}
	if len(p.Vary) > 0 {
		src, err := p.currentSource()
		if err != nil {
			return []*PlanError{p.wrong("vary", err.Error(), "")}
		}
		_, found := src.variants(p.Vary)
		return found
	}
	found = append(found, p.checkWorkloads()...)
	found = append(found, p.checkTarget(known)...)
	found = append(found, p.checkFaults()...)
	if len(found) > 0 {
		return found
	}
	return p.checkClaims()
}

// checkOwn checks the plan's own fields. A file's have been checked while they
// were read, but a plan can also be made in Go.
func (p *Plan) checkOwn() []*PlanError {
	var found []*PlanError
	inSpan := func(ok bool, path string, value, limits any) {
		if !ok {
			found = append(found, p.wrong(path, fmt.Sprintf("%s is %s", lastPart(path), spell(value)), fmt.Sprint(limits)))
		}
	}
	length := func(path string, v time.Duration, in bounds[time.Duration]) { inSpan(in.holds(v), path, v, in) }
	oneOf := func(path, word string, words []string) {
		if !slices.Contains(words, word) {
			found = append(found, p.wrong(path, fmt.Sprintf("%s cannot be %q", lastPart(path), shorten(word)), spelling.DidYouMean(word, words)))
		}
	}
	if e := p.checkName("name", p.Name, "the plan"); e != nil {
		found = append(found, e)
	}
	oneOf("host", p.Host, hosts)
	oneOf("stop_on", p.StopOn, stops)
	inSpan(replicasSpan.holds(p.Target.Replicas), "target.replicas", p.Target.Replicas, replicasSpan)
	oneOf("target.failover.choose", p.Target.Failover.Choose, choices)
	length("target.failover.after", p.Target.Failover.After, pauseSpan)
	length("warmup", p.Warmup, pauseSpan)
	length("duration", p.Duration, lengthSpan)
	length("settle", p.Settle, lengthSpan)
	length("timeouts.connect", p.Timeouts.Connect, lengthSpan)
	length("timeouts.operation", p.Timeouts.Operation, lengthSpan)
	inSpan(minOpsSpan.holds(p.Gates.MinOps), "gates.min_ops", p.Gates.MinOps, minOpsSpan)
	for path, v := range map[string]struct{ have, most int }{"workloads": {len(p.Workloads), maxWorkloads},
		"faults": {len(p.Faults), maxFaults}, "claims": {len(p.Claims), maxClaims}} {
		inSpan(v.have <= v.most, path, fmt.Sprintf("a list of %d", v.have), fmt.Sprintf("at most %d entries are possible", v.most))
	}
	return append(append(found, p.checkTexts()...), p.checkVary()...)
}

// checkTexts holds the free texts to what a file can say.
func (p *Plan) checkTexts() []*PlanError {
	var found []*PlanError
	text := func(path, s string) {
		switch {
		case len(s) > maxText:
			found = append(found, p.wrong(path, fmt.Sprintf("%s is longer than %d bytes", shorten(lastPart(path)), maxText), "shorten it"))
		case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }):
			found = append(found, p.wrong(path, fmt.Sprintf("%s holds something that cannot be printed", shorten(lastPart(path))), "use plain text"))
		}
	}
	text("about", p.About)
	text("target.name", p.Target.Name)
	text("target.image", p.Target.Image)
	for _, name := range sortedKeys(p.Target.Options) {
		text("target.options."+name, name)
		text("target.options."+name, p.Target.Options[name])
	}
	for i, c := range p.Claims {
		text(fmt.Sprintf("claims.%d", i), c)
	}
	for _, v := range p.Vary {
		text("vary", v.Path)
		for _, value := range v.Values {
			text("vary", value)
		}
	}
	return found
}

// checkVary bounds the combinations.
func (p *Plan) checkVary() []*PlanError {
	runs := 1
	for i, v := range p.Vary {
		if len(v.Values) == 0 {
			return []*PlanError{p.wrong("vary", fmt.Sprintf("vary %s has no values", shorten(v.Path)), "give it a list of them")}
		}
		if slices.ContainsFunc(p.Vary[:i], func(o Vary) bool { return o.Path == v.Path }) {
			return []*PlanError{p.wrong("vary", fmt.Sprintf("vary has the path %s twice", shorten(v.Path)), "keep one of them")}
		}
		if runs *= len(v.Values); runs > maxVariants {
			return []*PlanError{p.wrong("vary", fmt.Sprintf("vary makes more than %d runs of this plan", maxVariants), "vary fewer paths or values")}
		}
	}
	return nil
}

func (p *Plan) checkName(path, name, what string) *PlanError {
	switch {
	case name == "":
		return p.wrong(path, what+" has no name", "give it one of a-z, 0-9 and -")
	case len(name) > maxName:
		return p.wrong(path, fmt.Sprintf("name %q is longer than %d letters", shorten(name), maxName), "shorten it")
	case goodName.MatchString(name):
		return nil
	}
	remedy := "use a-z, 0-9 and - between them"
	if better := fileName(name); better != "" {
		remedy += ", e.g. " + better
	}
	return p.wrong(path, fmt.Sprintf("name %q is not possible", shorten(name)), remedy)
}

func (p *Plan) checkWorkloads() []*PlanError {
	var found []*PlanError
	if len(p.Workloads) == 0 {
		found = append(found, p.wrong("workloads", "the plan has no workload", "add one, e.g. workloads: [{name: register}]"))
	}
	names := map[string]bool{}
	for i, s := range p.Workloads {
		path := fmt.Sprintf("workloads.%d", i)
		if e := p.checkName(path+".name", s.Name, "the workload"); e != nil {
			found = append(found, e)
			continue
		}
		if names[s.Name] {
			found = append(found, p.wrong(path+".name", fmt.Sprintf("two workloads are named %s", s.Name),
				fmt.Sprintf("give each its own name and say what it is, e.g. {name: %s-%d, type: %s}", s.Name, i+1, s.Type)))
		}
		names[s.Name] = true
		if _, err := workloads.New(s); err != nil {
			message := strings.TrimPrefix(err.Error(), fmt.Sprintf("workload %q: ", s.Name))
			field, _, _ := strings.Cut(message, " ")
			found = append(found, p.wrong(path+"."+field, fmt.Sprintf("workload %s: %s", s.Name, message), ""))
		}
	}
	return found
}

// nodeNames are the nodes that the plan's run will have.
func (p *Plan) nodeNames() []string {
	names := make([]string, 1+p.Target.Replicas)
	for i := range names {
		names[i] = fmt.Sprintf("n%d", i+1)
	}
	return names
}

func (p *Plan) checkFaults() []*PlanError {
	var found []*PlanError
	for i, s := range p.Faults {
		err := faults.Validate(s, p.nodeNames(), p.Duration)
		if err != nil {
			found = append(found, p.wrong(fmt.Sprintf("faults.%d", i), err.Error(), ""))
		}
	}
	return found
}

// checkTarget checks the target and that it can do what the workloads need.
func (p *Plan) checkTarget(known []targets.Target) []*PlanError {
	var names []string
	for _, t := range known {
		if info := t.Info(); info.Name == p.Target.Name {
			return append(p.checkOptions(t, info), p.checkKinds(info)...)
		}
		names = append(names, t.Info().Name)
	}
	if p.Target.Name == "" {
		return []*PlanError{p.wrong("target", "the target has no name", "add target: {name: "+strings.Join(names, "} or {name: ")+"}")}
	}
	return []*PlanError{p.wrong("target.name", fmt.Sprintf("unknown target %q", shorten(p.Target.Name)), spelling.DidYouMean(p.Target.Name, names))}
}

func (p *Plan) checkOptions(t targets.Target, info targets.Info) []*PlanError {
	var found []*PlanError
	allowed := map[string]targets.Option{}
	var names []string
	for _, o := range info.Options {
		allowed[o.Name] = o
		names = append(names, o.Name)
	}
	for _, name := range sortedKeys(p.Target.Options) {
		value, path := p.Target.Options[name], "target.options."+name
		option, ok := allowed[name]
		switch {
		case !ok && len(names) == 0:
			found = append(found, p.wrong(path, fmt.Sprintf("target %s has no options", info.Name), "take them away"))
		case !ok:
			found = append(found, p.wrong(path, fmt.Sprintf("unknown option %q of target %s", shorten(name), info.Name), spelling.DidYouMean(name, names)))
		case option.Values != nil && !slices.Contains(option.Values, value):
			found = append(found, p.wrong(path, fmt.Sprintf("option %s cannot be %q", name, shorten(value)), spelling.DidYouMean(value, option.Values)))
		}
	}
	if len(found) > 0 {
		return found
	}
	_, err := t.Configure(targets.Config{Replicas: p.Target.Replicas, Options: p.Target.Options, Seed: p.Seed})
	if err != nil {
		found = append(found, p.wrong("target.options"+optionNamed(err, names), fmt.Sprintf("target %s: %s", info.Name, err), ""))
	}
	return found
}

// optionNamed is the path's last part of the option that an error begins with.
func optionNamed(err error, names []string) string {
	for _, name := range names {
		if regexp.MustCompile(`(^|\W)` + regexp.QuoteMeta(name) + `(\W|$)`).MatchString(err.Error()) {
			return "." + name
		}
	}
	return ""
}

// checkKinds tells which operations a workload needs and the target lacks.
func (p *Plan) checkKinds(info targets.Info) []*PlanError {
	var found []*PlanError
	for i, s := range p.Workloads {
		w, err := workloads.New(s)
		if err != nil {
			continue // checkWorkloads tells it
		}
		for _, kind := range w.Kinds() {
			if !slices.Contains(info.Kinds, kind) {
				found = append(found, p.wrong(fmt.Sprintf("workloads.%d", i),
					fmt.Sprintf("workload %s needs the operation %s, which target %s does not have", s.Name, kind, info.Name),
					"take it out of the mix, or use another workload or target"))
				break
			}
		}
	}
	return found
}
