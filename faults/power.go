package faults

import (
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/schema"
)

// powerKind: the machine loses its power but not its network: what was not synced
// is gone, while what the kernel had taken for the network still goes out, so that
// others may have heard of what is lost.
func powerKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "power", Victims: anyVictim(),
			About: "SIGKILL, and what was not synced to disk is gone; its end starts the server on what is left. Shows what syncs are for; what was sent stays sent: see crash"},
		Done:   "cut off from power",
		Outage: true,
		Hold:   Down,
		Enter:  cluster.Action{Kind: cluster.Power, Loss: &cluster.Loss{}},
		Alone:  "of",
		Keys:   []schema.Key[Spec]{surviveKey()},
		Needs:  needVolume,
		enter:  losing(false),
		verify: verifyPower,
	}
}

func surviveKey() schema.Key[Spec] {
	return schema.Key[Spec]{Field: schema.Field{Name: "survive", Type: schema.Percent, Max: 100, Absent: "nothing that was not synced survives", Example: "50%",
		Meaning: "the chance of each page that was written and not synced to be on the disk all the same; one in eight of them is torn at a sector of 512 bytes"},
		At: func(s *Spec) any { return &s.Survive }}
}

// needVolume puts the data directories on a file system that can lose and spoil
// what is on it.
func needVolume(_ Spec, n *cluster.Needs) {
	if n.Volume == nil {
		n.Volume = &cluster.Volume{Names: cluster.NamesOrdered}
	}
}

// losing is the action of a loss of power.
func losing(network bool) func(Spec, cluster.Action) cluster.Action {
	return func(s Spec, a cluster.Action) cluster.Action {
		a.Loss = &cluster.Loss{Survive: s.Survive / 100, Network: network}
		return a
	}
}

// verifyPower wants something to have been lost, or to have been there to lose: a
// system that syncs all that it writes loses nothing, and that is what was asked.
func verifyPower(e Evidence) (string, bool) {
	lost := []string{}
	for _, w := range []struct{ count, one, many string }{
		{cluster.PagesLost, "page", "pages"}, {cluster.NamesLost, "name", "names"},
	} {
		if n := e.Counts[w.count]; n > 0 {
			lost = append(lost, units.Plural(int(min(n, 1<<53)), w.one, w.many))
		}
	}
	writes := e.Counts[cluster.Writes]
	switch {
	case len(lost) > 0:
		return "lost " + strings.Join(lost, " and ") + " that had not been synced", true
	case e.Counts[cluster.PagesKept] > 0:
		return "lost nothing: what had not been synced survived", true
	case writes > 0:
		return "lost nothing: all of the " + units.Plural(int(min(writes, 1<<53)), "write", "writes") + " to disk before it had been synced", true
	}
	return "nothing was written to the data directory before it, so there was nothing to lose; have it come later, or have the system write to disk", false
}
