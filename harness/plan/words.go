package plan

import (
	"fmt"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	alltargets "github.com/aftershock-chaos/aftershock/targets/all"
)

// Versions are the version that the plan asks for, none if it asks for none,
// and those that its claims are about. Of a plan that was validated they have no
// error.
func (p *Plan) Versions() (wanted version.Version, about version.Range, err error) {
	if p.Target.Version != "" {
		if wanted, err = version.Parse(p.Target.Version); err != nil {
			return wanted, about, err
		}
	}
	about, err = version.ParseRange(p.For.Version)
	return wanted, about, err
}

// checkVersions checks what the plan says of its target's version. Whether that
// version is to be had is known where the plan runs.
func (p *Plan) checkVersions(info targets.Info) []*Error {
	if _, err := version.ParseRange(p.For.Version); err != nil {
		return []*Error{p.wrong("for.version", err.Error(), "")}
	}
	if len(info.Versions) == 0 && p.Target.Version != "" {
		return []*Error{p.wrong("target.version", fmt.Sprintf("target %s is built in and has no versions", info.Name), "take the key away")}
	}
	if info.BuiltIn() && p.For.Version != "" {
		return []*Error{p.wrong("for.version", fmt.Sprintf("target %s is built in and has no versions", info.Name), "take the key away")}
	}
	wanted, about, err := p.Versions()
	if err != nil {
		return []*Error{p.wrong("target.version", err.Error(), "")}
	}
	if !wanted.None() && !about.MayHave(wanted) {
		return []*Error{p.wrong("target.version", fmt.Sprintf("the plan's claims are about versions %s, and not about %s", about, wanted),
			"ask for another version, or change what the plan is for")}
	}
	return nil
}

// AutoHost as a plan's host is the first that is available. It is the default.
const AutoHost = "auto"

// Words are what a plan can name that is defined outside of the plan language.
// Whoever runs plans hands them to it: see harness.Words.
type Words struct {
	Hosts   []string // the first is the default; none: any host will do
	Targets []targets.Target
	// Unknown lets a plan name a target that is none of them: see AsRun.
	Unknown bool
}

// AnyHost are the words of plans whose host is not to be used, as it was by a
// run that is over, or is not known yet, as in a plan made in Go.
func AnyHost() Words { return Words{Targets: alltargets.Targets()} }

// AsRun are the words of plans that were run. Their targets may have been somebody's
// own, which are not known any more.
func AsRun() Words { w := AnyHost(); w.Unknown = true; return w }

// words are those that the plan was read with, and its own target before them.
func (p *Plan) words() Words {
	w := AnyHost()
	if p.source != nil {
		w = p.source.words
	}
	if p.Target.Own != nil {
		w.Targets = append([]targets.Target{p.Target.Own}, w.Targets...)
	}
	return w
}

// System is the target that the plan names; false: it is not known here.
func (p *Plan) System() (targets.Target, bool) {
	for _, t := range p.words().Targets {
		if t.Info().Name == p.Target.Name {
			return t, true
		}
	}
	return nil, false
}

// unknownTarget tells whether the plan was run with a target that is not known here.
func (p *Plan) unknownTarget() bool {
	_, known := p.System()
	return !known && p.words().Unknown && p.Target.Attach.Asked() && schema.IsName(p.Target.Name)
}

// checkOwnTarget checks what a target that is not built in can be used for.
func (p *Plan) checkOwnTarget(t targets.Target) []*Error {
	_, builtIn := alltargets.Find(p.Target.Name)
	if own := p.Target.Own; own != nil {
		switch name := own.Info().Name; {
		case name != p.Target.Name:
			return []*Error{p.wrong("target.name", fmt.Sprintf("the plan names target %s, and its own target is %s", spelling.Short(p.Target.Name), spelling.Short(name)), "leave the name out")}
		case builtIn:
			return []*Error{p.wrong("target.name", fmt.Sprintf("the name %s is that of a target that is built in", name), "call your own otherwise")}
		}
		if e := p.checkName("target.name", p.Target.Name, "the target"); e != nil {
			return []*Error{e}
		}
	}
	if _, ok := t.(targets.Attacher); !builtIn && !p.Target.Attach.Asked() && ok {
		return []*Error{p.wrong("target.attach", fmt.Sprintf("target %s is your own, and nobody here can launch it", p.Target.Name), "start its servers, and name them in target.attach")}
	}
	return nil
}
