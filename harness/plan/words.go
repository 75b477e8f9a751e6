package plan

import (
	"fmt"

	"github.com/aftershock-chaos/aftershock/internal/version"
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
	if len(info.Versions) == 0 {
		for _, key := range [][2]string{{"target.version", p.Target.Version}, {"for.version", p.For.Version}} {
			if key[1] != "" {
				return []*Error{p.wrong(key[0], fmt.Sprintf("target %s is built in and has no versions", info.Name), "take the key away")}
			}
		}
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
}

// AnyHost are the words of plans whose host is not to be used, as it was by a
// run that is over, or is not known yet, as in a plan made in Go.
func AnyHost() Words { return Words{Targets: alltargets.Targets()} }

// words are those that the plan was read with.
func (p *Plan) words() Words {
	if p.source != nil {
		return p.source.words
	}
	return AnyHost()
}
