package plan

import (
	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/schema"
)

// Disk is what the nodes' data directories are on.
type Disk struct {
	Names string // when names of files are durable; empty: no fault needs to know
	Fresh bool   // what was written before the load, and not synced, can be lost too
}

func diskKeys() []schema.Key[Disk] {
	return []schema.Key[Disk]{
		{Field: schema.Field{Name: "names", Type: schema.Word, Words: []string{cluster.NamesOrdered, cluster.NamesPosix, cluster.NamesDurable}, Absent: "a plain folder, or ordered where a fault needs more", Example: "posix",
			Meaning: "when names that were made, changed or removed are durable. ordered: with any later sync, as in the journal of ext4 and XFS; posix: with a sync of their directory alone; durable: at once"},
			At: func(d *Disk) any { return &d.Names }},
		{Field: schema.Field{Name: "fresh", Type: schema.Flag, Absent: "it is on the disk, as where a cluster has run for half a minute", Example: "true",
			Meaning: "whether a power cut loses too what was written, and not synced, before the load"},
			At: func(d *Disk) any { return &d.Fresh }},
	}
}

// Needs are what the nodes have to be launched with.
func (p *Plan) Needs() cluster.Needs {
	needs := faults.NeedsOf(p.Faults)
	if p.Target.Disk.Names != "" {
		needs.Volume = &cluster.Volume{Names: p.Target.Disk.Names}
	}
	return needs
}
