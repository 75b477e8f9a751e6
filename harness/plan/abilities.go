package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
)

// ChangesMembers tells whether the cluster of the plan's run may have other members
// at its end than at its begin, or for some time.
func (p *Plan) ChangesMembers() bool {
	changes := func(s faults.Spec) bool { k, _ := faults.Lookup(s.Kind); return k.Members != "" }
	return p.Target.Spares > 0 || slices.ContainsFunc(p.Faults, func(s faults.Spec) bool { return changes(s) || slices.ContainsFunc(s.Pick, changes) })
}

// checkAbilities refuses changes of members that the target does not know how to make,
// and tasks that it has not.
func (p *Plan) checkAbilities(t targets.Target, system targets.System) []*Error {
	_, joins := system.(targets.Joiner)
	_, leaves := system.(targets.Leaver)
	can := map[cluster.ActionKind]bool{cluster.Join: joins, cluster.Leave: leaves}
	if p.Target.Attach.Asked() {
		can = nil
	}
	alone := !p.Target.Attach.Asked() && p.Target.Replicas == 0 && p.Target.Spares == 0
	var found []*Error
	for i, s := range p.Faults {
		for _, err := range []error{
			faults.CheckMembers(s, p.Target.Name, alone, func(kind cluster.ActionKind) bool { return can[kind] }),
			faults.CheckTasks(s, p.Target.Name, targets.TasksOf(t, system)),
		} {
			if err != nil {
				found = append(found, p.wrong(fmt.Sprintf("faults.%d", i), err.Error(), ""))
			}
		}
	}
	if p.Target.Spares > 0 && !can[cluster.Join] && len(found) == 0 {
		found = append(found, p.wrong("target.spares", fmt.Sprintf("target %s does not know how a node joins", p.Target.Name), "leave spares out"))
	}
	return found
}

// MixesVersions tells whether the nodes of the plan's run may have servers of different
// versions, at its begin or later.
func (p *Plan) MixesVersions() bool {
	return len(p.Target.Versions) > 0 || len(faults.Upgrades(p.Faults)) > 0
}

// Starts are the versions that the nodes start with, in their order; base is that of those
// of which the plan says nothing. Of a plan that was validated there is no error.
func (p *Plan) Starts(base version.Version) ([]version.Version, error) {
	var starts []version.Version
	for _, name := range p.NodeNames() {
		v := base
		if text, ok := p.Target.Versions[name]; ok {
			var err error
			if v, err = version.Parse(text); err != nil {
				return nil, err
			}
		}
		starts = append(starts, v)
	}
	return starts, nil
}

// Becomes are the versions that each node may be upgraded to, in the order of the nodes and
// of the upgrades.
func (p *Plan) Becomes() ([][]version.Version, error) {
	becomes := make([][]version.Version, len(p.NodeNames()))
	for _, s := range faults.Upgrades(p.Faults) {
		to, err := version.Parse(s.To)
		if err != nil {
			return nil, err
		}
		for i, name := range p.NodeNames() {
			known := slices.ContainsFunc(becomes[i], func(v version.Version) bool { return v.String() == to.String() })
			if !known && (s.Victim == name || !slices.Contains(p.NodeNames(), s.Victim)) {
				becomes[i] = append(becomes[i], to)
			}
		}
	}
	return becomes, nil
}

// checkUpgrades refuses versions that the target, or its documentation, does not have beside
// or after each other. config is that of the nodes of which the plan says no version.
func (p *Plan) checkUpgrades(t targets.Target, system targets.System, config targets.Config) []*Error {
	if !p.MixesVersions() {
		return nil
	}
	upgrader, ok := system.(targets.Upgrader)
	for _, refused := range []struct {
		is              bool
		message, remedy string
	}{
		{p.Target.Attach.Asked(), "the servers of a deployment that somebody else runs are theirs to replace", "leave versions and the fault upgrade out"},
		{!ok, fmt.Sprintf("target %s does not know how servers of several versions are in one cluster", t.Info().Name), "leave versions and the fault upgrade out, or use another target"},
		{config.Version.None(), "servers of several versions are asked for, and it is not said which the others are", "name it, e.g. version: \"" + example(t) + "\""},
		{p.Target.Image != "" && p.Target.Image != "auto", "one image is named, and servers of several versions are asked for", "leave image out: each version's own is taken"},
		{p.ChangesMembers(), "members cannot come and go yet in a run in which versions change", "leave out spares, join, leave and replace, or versions and upgrade"},
	} {
		if refused.is {
			return []*Error{p.wrong("target", refused.message, refused.remedy)}
		}
	}
	if found := p.checkVersionNames(t, config); len(found) > 0 {
		return found
	}
	m := &mix{plan: p, upgrader: upgrader}
	starts, _ := p.Starts(config.Version) // they are checked before
	return m.check(starts)
}

// example is a version for a remedy.
func example(t targets.Target) string {
	if v := t.Info().Versions; len(v) > 0 {
		return v[0].Number
	}
	return "1"
}

// checkVersionNames checks each version by itself.
func (p *Plan) checkVersionNames(t targets.Target, config targets.Config) (found []*Error) {
	one := func(path, text string) {
		v, err := version.Parse(text)
		if err == nil {
			of := config
			of.Version = v
			_, err = t.Configure(of)
		}
		if err != nil {
			found = append(found, p.wrong(path, err.Error(), ""))
		}
	}
	for _, name := range sortedKeys(p.Target.Versions) {
		if !slices.Contains(p.NodeNames(), name) {
			found = append(found, p.wrong("target.versions."+name, fmt.Sprintf("there is no node %q", spelling.Short(name)), "name one of "+strings.Join(p.NodeNames(), ", ")))
			continue
		}
		one("target.versions."+name, p.Target.Versions[name])
	}
	for i, s := range p.Faults {
		for _, u := range faults.Upgrades([]faults.Spec{s}) {
			one(fmt.Sprintf("faults.%d", i), u.To)
		}
	}
	return found
}

// mix goes through a plan's upgrades as far as their victims are known before the run: what
// each node may run.
type mix struct {
	plan     *Plan
	upgrader targets.Upgrader
	may      [][]version.Version // by node
}

func (m *mix) check(starts []version.Version) []*Error {
	for _, v := range starts {
		m.may = append(m.may, []version.Version{v})
	}
	for i := range starts[1:] {
		if err := m.mixed(starts[0], starts[1+i]); err != nil { // the first is the primary
			return []*Error{m.plan.wrong("target.versions", err.Error(), "")}
		}
	}
	for i := range starts {
		if err := m.besides(i, starts[i]); err != nil {
			return []*Error{m.plan.wrong("target.versions", err.Error(), "")}
		}
	}
	for _, s := range faults.Upgrades(m.plan.Faults) {
		if err := m.upgrade(s); err != nil {
			return []*Error{m.plan.wrong(m.path(s), fmt.Sprintf("fault %q to %s: %s", s.Title(), s.To, err), "")}
		}
	}
	return nil
}

// path is where an upgrade stands in the plan.
func (m *mix) path(s faults.Spec) string {
	for i, f := range m.plan.Faults {
		for _, u := range faults.Upgrades([]faults.Spec{f}) {
			if u.At == s.At && u.To == s.To && u.Victim == s.Victim {
				return fmt.Sprintf("faults.%d", i)
			}
		}
	}
	return "faults"
}

// mixed is Upgrader.Mixed for versions that may be the same.
func (m *mix) mixed(primary, replica version.Version) error {
	if primary.String() == replica.String() {
		return nil
	}
	return m.upgrader.Mixed(primary, replica)
}

// besides tells why a node may not run a version beside what the others may run, whoever of
// them leads.
func (m *mix) besides(node int, v version.Version) error {
	for i, all := range m.may {
		for _, other := range all {
			if i == node {
				continue
			}
			if err := m.mixed(other, v); err != nil && m.mixed(v, other) != nil {
				return err
			}
		}
	}
	return nil
}

// upgrade takes one in, and tells why it is not allowed.
func (m *mix) upgrade(s faults.Spec) error {
	to, err := version.Parse(s.To)
	if err != nil {
		return err
	}
	named := slices.Index(m.plan.NodeNames(), s.Victim)
	for i := range m.may {
		if named >= 0 && named != i {
			continue
		}
		for _, from := range m.may[i] {
			if from.String() == to.String() {
				continue
			}
			if err := m.upgrader.Step(from, to); err != nil {
				return err
			}
		}
	}
	if err := m.primaryFirst(s, to); err != nil {
		return err
	}
	for i := range m.may {
		switch {
		case named >= 0 && named != i:
			continue
		case named == i || s.Victim == faults.All:
			if s.Every == 0 {
				m.may[i] = nil // whatever it ran, it runs this now
			}
		}
		if !slices.ContainsFunc(m.may[i], func(v version.Version) bool { return v.String() == to.String() }) {
			m.may[i] = append(m.may[i], to)
		}
	}
	for i := range m.may {
		if named < 0 || named == i {
			if err := m.besides(i, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// primaryFirst tells why the primary may not be upgraded before its replicas, where that is
// certain: until a fault may have moved it, it is the first node.
func (m *mix) primaryFirst(s faults.Spec, to version.Version) error {
	first := m.plan.NodeNames()[0]
	moved := slices.ContainsFunc(m.plan.Faults, func(f faults.Spec) bool {
		k, _ := faults.Lookup(f.Kind)
		stays := k.Replaces && f.Victim != first && slices.Contains(m.plan.NodeNames(), f.Victim)
		return f.Every > 0 || f.At < s.At && !stays
	})
	if moved || s.Victim != faults.Primary && s.Victim != first {
		return nil
	}
	for _, all := range m.may[1:] {
		if len(all) != 1 {
			continue
		}
		if err := m.mixed(to, all[0]); err != nil {
			return err
		}
	}
	return nil
}
