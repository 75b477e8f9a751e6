package faults

import "github.com/aftershock-chaos/aftershock/cluster"

// KindInfo describes a kind of fault for `aftershock list faults` and for
// validation.
type KindInfo struct {
	Name    string
	About   string      // one line
	Victims []string    // the words; a node's name is always allowed
	Shapes  []ShapeInfo // partition only
}

// ShapeInfo describes one shape of a partition.
type ShapeInfo struct {
	Name       string
	About      string   // one line
	MinNodes   int      // fewer cannot take this shape
	Victims    []string // the words; the first is the default if Optional
	Optional   bool     // the victim may be left out
	From       []string // the allowed words, the first is the default
	Directions []string // likewise; nil: the shape has none
}

// The words for victims and for where a partition cuts.
const (
	Primary = "primary"
	Replica = "replica"
	Random  = "random"
	All     = "all"

	FromNodes   = "nodes"
	FromClients = "clients"
	FromAll     = "all"

	Out = "out"
	In  = "in"
)

// kind is one row of the table: a kind is a file and a line in it.
type kind struct {
	info KindInfo
	// action is what each victim's agent does, for faults of processes.
	// Kill and Stop are undone by a restart, Pause by a resume.
	action cluster.ActionKind
	// instant: a fault without For is undone as soon as it took effect; that
	// of another kind lasts until HealAll.
	instant bool
	// draw says which packets are lost, for faults of the network; nil else.
	draw func(p Planned, victims []int, nodes int) Graph
}

func table() []kind {
	return []kind{killKind(), stopKind(), pauseKind(), restartKind(), partitionKind()}
}

// Kinds describes every kind of fault, in the table's order.
func Kinds() []KindInfo {
	var infos []KindInfo
	for _, k := range table() {
		infos = append(infos, k.info)
	}
	return infos
}

func findKind(name string) (kind, bool) {
	for _, k := range table() {
		if k.info.Name == name {
			return k, true
		}
	}
	return kind{}, false
}

// anyVictim are the words for the victims of a fault of processes.
func anyVictim() []string { return []string{Primary, Replica, Random, All} }
