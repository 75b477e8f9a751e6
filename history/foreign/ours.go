package foreign

import (
	"encoding/json"

	"github.com/aftershock-chaos/aftershock/history"
)

// What our own histories tell beyond what other tools do, as further keys of
// an operation. Other tools pass over them.
const (
	keyNode     = "node"       // name of the node addressed
	keyIntended = "intended"   // when the schedule wanted the operation, if that differs from its start
	keyObserved = "observed"   // value that a failed compare-and-set found
	keyFinal    = "final?"     // a read after everything settled; Maelstrom has it too
	keyWarmup   = "warmup?"    // made before measuring began
	keyPrimary  = "primary?"   // addressed to the node taken for the primary
	keyExtra    = "aftershock" // an extra, as JSON in a string
)

// extra is what an entry of the process :nemesis tells in histories that
// Export wrote.
type extra struct {
	Meta  *history.Meta  `json:"meta,omitempty"` // with one workload
	Keyed bool           `json:"keyed,omitempty"`
	Torn  bool           `json:"torn,omitempty"`
	Event *history.Event `json:"event,omitempty"`
}

// fillOurs takes a further key of an operation; what is unknown is passed over.
func (e *entry) fillOurs(key string, v *value) {
	on := v.shape == boolean && v.n != 0
	switch key {
	case keyNode:
		if v.shape == str || v.shape == word {
			e.node = v.text
		}
	case keyIntended:
		e.intended, e.late = v.n, v.shape == integer
	case keyObserved:
		e.observed, e.seen = *v, true
	case keyFinal, "final": // JSON written by Maelstrom's users has no question mark
		if on {
			e.flags, e.final = e.flags|history.FinalRead, true
		}
	case keyWarmup:
		if on {
			e.flags |= history.Warmup
		}
	case keyPrimary:
		if on {
			e.flags |= history.FromPrimary
		}
	case keyExtra:
		e.ours = v.text
	}
}

// extra decodes the extra of an entry, nil if it has none that makes sense.
func (e *entry) extra() *extra {
	if !e.bystander || e.ours == nil {
		return nil
	}
	var x extra
	if json.Unmarshal(e.ours, &x) != nil {
		return nil
	}
	if x.Meta != nil && len(x.Meta.Workloads) != 1 {
		x.Meta = nil
	}
	return &x
}
