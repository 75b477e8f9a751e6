package plan

import (
	"fmt"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/schema"
)

// Disk is what the nodes' data directories are on.
type Disk struct {
	Names string // when names of files are durable; empty: no fault needs to know
	Real  string // a true file system, cluster.RealExt4; empty: our own
	Fresh bool   // what was written before the measured phase, and not synced, can be lost too
}

func diskKeys() []schema.Key[Disk] {
	return []schema.Key[Disk]{
		{Field: schema.Field{Name: "names", Type: schema.Word, Words: []string{cluster.NamesOrdered, cluster.NamesPosix, cluster.NamesDurable}, Absent: "a plain folder, or ordered where a fault needs more", Example: "posix",
			Meaning: "when names that were made, changed or removed are durable. ordered: with any later sync, as in the journal of ext4 and XFS; posix: with a sync of their directory alone; durable: at once"},
			At: func(d *Disk) any { return &d.Names }},
		{Field: schema.Field{Name: "real", Type: schema.Word, Words: []string{cluster.RealExt4}, Absent: "our own, whose names are durable as `names` says", Example: cluster.RealExt4,
			Meaning: "a true file system of the kernel's under the data directory, on a loop device, whose disk loses what was not flushed: a power cut takes of files and names what it takes of that file system, which recovers by its own journal. It needs root, and has " + sizeWords + " of room"},
			At: func(d *Disk) any { return &d.Real }},
		{Field: schema.Field{Name: "fresh", Type: schema.Flag, Absent: "it is on the disk, as where a cluster has run for half a minute", Example: "true",
			Meaning: "whether a power cut loses too what was written, and not synced, before the load and in the warm-up"},
			At: func(d *Disk) any { return &d.Fresh }},
	}
}

// Needs are what the nodes have to be launched with.
func (p *Plan) Needs() cluster.Needs {
	if p.Target.Attach.Asked() {
		return cluster.Needs{} // those nodes run already, on disks of their own
	}
	needs := faults.NeedsOf(p.Faults)
	if p.Target.Disk.Names != "" {
		needs.Volume = &cluster.Volume{Names: p.Target.Disk.Names}
	}
	if p.Target.Disk.Real != "" {
		needs.Volume = &cluster.Volume{Names: cluster.NamesOrdered, Real: p.Target.Disk.Real}
	}
	return needs
}

// sizeWords is how large a true file system is, see package ext4.
const sizeWords = "4 GiB"

// checkDisk says what of a plan's disk cannot be together, or with its faults.
func (p *Plan) checkDisk() []*Error {
	d := p.Target.Disk
	if d.Real == "" {
		return nil
	}
	if d.Names != "" {
		return []*Error{p.wrong("target.disk.names", "an "+d.Real+" has an order of its own in which names are durable", "leave names out, or real")}
	}
	if p.Target.Memory > 0 {
		return []*Error{p.wrong("target.memory", "the kernel lets a node that has used up its memory wait until its disk has written, and an "+d.Real+" has its disk served by a process of the node: both would wait for ever", "leave memory out, and oom, or real")}
	}
	if kind := byPath(p.Faults); kind != "" {
		return []*Error{p.wrong("target.disk.real", fmt.Sprintf("the files of an %s are not seen from below it, where %s would act on those of a path", d.Real, kind), "leave real out, or the path")}
	}
	return nil
}

// byPath is the kind of the first fault that acts on files of a path.
func byPath(all []faults.Spec) string {
	for _, s := range all {
		if s.Bits.Path != "" || s.Sick.Path != "" {
			return s.Kind
		}
		if kind := byPath(s.Pick); kind != "" {
			return kind
		}
	}
	return ""
}
