package plan

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// Validate applies the defaults and checks the whole plan, or, of one that
// varies, every plan that it stands for. Errors are *Error, joined, and
// wrap ErrInput.
func (p *Plan) Validate() error {
	p.fill()
	return yamltree.Join(p.check())
}

// wrong makes an error about the value at a path, at its place in the file.
func (p *Plan) wrong(path, message, remedy string) *Error {
	if p.source == nil {
		return &Error{Path: path, Message: message, Remedy: remedy}
	}
	return p.source.At(p.source.find(path).Place, path, message, remedy)
}

// check finds the mistakes of a plan that has its defaults.
func (p *Plan) check() []*Error {
	found := p.checkOwn()
	if found = append(found, p.checkStudy()...); len(found) > 0 {
		return found
	}
	if len(p.Vary) > 0 {
		src, err := p.currentSource()
		if err != nil {
			return []*Error{p.wrong("vary", err.Error(), "")}
		}
		_, found := src.variants(p.Vary)
		return found
	}
	found = append(found, p.checkWorkloads()...)
	if len(found) == 0 {
		found = append(found, p.checkLoads()...)
	}
	found = append(append(found, p.checkTarget()...), p.checkDrivers()...)
	found = append(append(append(found, p.checkFaults()...), p.checkDisk()...), p.checkWAN()...)
	if len(found) > 0 {
		return found
	}
	if found := p.checkClaims(); len(found) > 0 {
		return found
	}
	if found := p.checkFind(); len(found) > 0 {
		return found
	}
	return p.checkControl()
}

// checkOwn checks the plan's own fields. A file's have been checked while they
// were read, but a plan can also be made in Go.
func (p *Plan) checkOwn() []*Error {
	var found []*Error
	schema.Walk(schema.Slots(planKeys(p.words()), p), "", func(path string, s schema.Slot) {
		found = append(found, p.checkKey(path, s)...)
	})
	return append(append(found, p.checkPrices()...), p.checkVary()...)
}

// checkKey checks the length of a list, and what a file has to be able to say.
// Workloads, faults and options are checked where all of the plan is known.
func (p *Plan) checkKey(path string, s schema.Slot) []*Error {
	var found []*Error
	note := func(path string, m *schema.Mistake) {
		if m != nil {
			found = append(found, p.wrong(path, m.Message, m.Remedy))
		}
	}
	text := func(path, text string) { note(path, schema.CheckText(lastPart(path), text)) }
	length := func(n int) {
		if n > int(s.Max) {
			note(path, &schema.Mistake{Message: fmt.Sprintf("%s is a list of %d", s.Name, n), Remedy: fmt.Sprintf("at most %.0f entries are possible", s.Max)})
		}
	}
	switch to := s.At.(type) {
	case *[]string:
		length(len(*to))
		for i, entry := range *to {
			text(schema.Join(path, strconv.Itoa(i)), entry)
		}
	case *[]workloads.Spec:
		length(len(*to))
	case *[]pace.Phase:
		length(len(*to))
	case *[]faults.Spec:
		length(len(*to))
	case *map[string]string:
		for _, name := range sortedKeys(*to) {
			text(schema.Join(path, name), name)
			text(schema.Join(path, name), (*to)[name])
		}
	case *[]Vary:
		for _, v := range *to {
			text(path, v.Path)
			for _, value := range v.Values {
				text(path, value)
			}
		}
	default:
		if name, ok := to.(*string); ok && s.Type == schema.Name {
			if e := p.checkName(path, *name, "the plan"); e != nil {
				found = append(found, e)
			}
			break
		}
		if s.Type == schema.Word && s.Absent != "" && s.Empty() {
			break // it need not be one of its words
		}
		note(path, s.Check(lastPart(path)))
	}
	return found
}

// checkVary bounds the combinations.
func (p *Plan) checkVary() []*Error {
	for i, v := range p.Vary {
		if len(v.Values) == 0 {
			return []*Error{p.wrong("vary", fmt.Sprintf("vary %s has no values", spelling.Short(v.Path)), "give it a list of them")}
		}
		if slices.ContainsFunc(p.Vary[:i], func(o Vary) bool { return o.Path == v.Path }) {
			return []*Error{p.wrong("vary", fmt.Sprintf("vary has the path %s twice", spelling.Short(v.Path)), "keep one of them")}
		}
	}
	if wrong := unequal(p.Vary); wrong != "" {
		return []*Error{p.wrong("vary", wrong, "give each path of zip as many values")}
	}
	if variants(p.Vary) > maxVariants {
		return []*Error{p.wrong("vary", fmt.Sprintf("vary makes more than %d runs of this plan", maxVariants), "vary fewer paths or values")}
	}
	return nil
}

func (p *Plan) checkName(path, name, what string) *Error {
	switch {
	case name == "":
		return p.wrong(path, what+" has no name", "give it one of a-z, 0-9 and -")
	case len(name) > schema.MaxName:
		return p.wrong(path, fmt.Sprintf("name %q is longer than %d letters", spelling.Short(name), schema.MaxName), "shorten it")
	case schema.IsName(name):
		return nil
	}
	remedy := "use a-z, 0-9 and - between them"
	if better := fileName(name); better != "" {
		remedy += ", e.g. " + better
	}
	return p.wrong(path, fmt.Sprintf("name %q is not possible", spelling.Short(name)), remedy)
}

func (p *Plan) checkWorkloads() []*Error {
	var found []*Error
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

func (p *Plan) checkFaults() []*Error {
	var found []*Error
	if faults.NeedsOf(p.Faults).Memory && p.Target.Memory == 0 && !p.Target.Attach.Asked() {
		found = append(found, p.wrong("target.memory", "an oom fills the memory of its victim, which has no limit", "give the nodes one, e.g. memory: 512MB"))
	}
	for i, s := range p.Faults {
		err := faults.Validate(s, p.NodeNames(), p.Duration)
		if err != nil {
			found = append(found, p.wrong(fmt.Sprintf("faults.%d", i), err.Error(), ""))
		}
	}
	return found
}

// checkTarget checks the target and that it can do what the workloads need.
func (p *Plan) checkTarget() []*Error {
	if t, ok := p.System(); ok {
		info := t.Info()
		for _, check := range []func() []*Error{func() []*Error { return p.checkOwnTarget(t) }, func() []*Error { return p.checkVersions(info) }, p.checkPlace} {
			if found := check(); len(found) > 0 {
				return found
			}
		}
		return slices.Concat(p.checkOptions(t, info), p.checkKinds(info), p.checkPipelines(info), p.checkValues(info))
	}
	if p.unknownTarget() {
		return p.checkPlace()
	}
	var names []string
	for _, t := range p.words().Targets {
		names = append(names, t.Info().Name)
	}
	if p.Target.Name == "" {
		return []*Error{p.wrong("target", "the target has no name", "add target: {name: "+strings.Join(names, "} or {name: ")+"}")}
	}
	return []*Error{p.wrong("target.name", fmt.Sprintf("unknown target %q", spelling.Short(p.Target.Name)), spelling.DidYouMean(p.Target.Name, names))}
}

func (p *Plan) checkOptions(t targets.Target, info targets.Info) []*Error {
	var found []*Error
	allowed := map[string]schema.Field{}
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
			found = append(found, p.wrong(path, fmt.Sprintf("unknown option %q of target %s", spelling.Short(name), info.Name), spelling.DidYouMean(name, names)))
		case option.Words != nil && !slices.Contains(option.Words, value):
			found = append(found, p.wrong(path, fmt.Sprintf("option %s cannot be %q", name, spelling.Short(value)), spelling.DidYouMean(value, option.Words)))
		}
	}
	if len(found) > 0 {
		return found
	}
	wanted, _, _ := p.Versions() // they are checked before
	config := targets.Config{Replicas: p.Target.Replicas, Options: p.Target.Options, Version: wanted, Seed: p.Seed}
	if p.Target.Attach.Asked() {
		return p.checkAttached(t, config, names)
	}
	system, err := t.Configure(config)
	if err != nil {
		return append(found, p.wrong("target.options"+optionNamed(err, names), fmt.Sprintf("target %s: %s", info.Name, err), ""))
	}
	return append(p.checkAbilities(t, system), p.checkUpgrades(t, system, config)...)
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
func (p *Plan) checkKinds(info targets.Info) []*Error {
	var found []*Error
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

// checkValues tells which values are longer than the target takes them.
func (p *Plan) checkValues(info targets.Info) []*Error {
	var found []*Error
	for i, s := range p.Workloads {
		w, err := workloads.New(s)
		if err != nil {
			continue // checkWorkloads tells it
		}
		most, why := cmp.Or(info.MaxValue, payload.Most), ""
		if info.MaxCAS > 0 && slices.Contains(w.Kinds(), history.CAS) {
			most, why = info.MaxCAS, " where they are compared and set"
		}
		if largest := w.Spec().Value.Largest(); largest > most {
			found = append(found, p.wrong(fmt.Sprintf("workloads.%d.value", i),
				fmt.Sprintf("workload %s has values of %s; target %s takes %s at most%s", s.Name, largest, info.Name, most, why), "make them shorter, or use another target"))
		}
	}
	return found
}
