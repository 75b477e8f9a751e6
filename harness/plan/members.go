package plan

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
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
	var found []*Error
	for i, s := range p.Faults {
		for _, err := range []error{
			faults.CheckMembers(s, p.Target.Name, func(kind cluster.ActionKind) bool { return can[kind] }),
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
