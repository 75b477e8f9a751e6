package foreign

import (
	"encoding/json"

	"github.com/aftershock-chaos/aftershock/history"
)

// What our own histories tell beyond what other tools do, as further keys of
// an operation. Other tools pass over them.
const (
	KeyNode     = "node"       // name of the node addressed
	KeyIntended = "intended"   // when the schedule wanted the operation, if that differs from its start
	KeyObserved = "observed"   // value that a failed compare-and-set found
	KeyFinal    = "final?"     // a read after everything settled; Maelstrom has it too
	KeyWarmup   = "warmup?"    // made before measuring began
	KeyPrimary  = "primary?"   // addressed to the node taken for the primary
	KeyExtra    = "aftershock" // an extra, as JSON in a string
)

// Extra is what an entry of the process :nemesis tells in histories that
// Export wrote.
type Extra struct {
	Meta  *history.Meta  `json:"meta,omitempty"` // with one workload
	Keyed bool           `json:"keyed,omitempty"`
	Torn  bool           `json:"torn,omitempty"`
	Event *history.Event `json:"event,omitempty"`
}

// fillOurs takes a further key of an operation; what is unknown is passed over.
func (e *entry) fillOurs(key string, v *value) {
	on := v.shape == boolean && v.n != 0
	switch key {
	case KeyNode:
		if v.shape == str || v.shape == word {
			e.node = v.text
		}
	case KeyIntended:
		e.intended, e.late = v.n, v.shape == integer
	case KeyObserved:
		e.observed, e.seen = *v, true
	case KeyFinal, "final": // JSON written by Maelstrom's users has no question mark
		if on {
			e.flags, e.final = e.flags|history.FinalRead, true
		}
	case KeyWarmup:
		if on {
			e.flags |= history.Warmup
		}
	case KeyPrimary:
		if on {
			e.flags |= history.FromPrimary
		}
	case KeyExtra:
		e.ours = v.text
	}
}

// extra decodes the extra of an entry, nil if it has none that makes sense.
func (e *entry) extra() *Extra {
	if !e.bystander || e.ours == nil {
		return nil
	}
	var x Extra
	if json.Unmarshal(e.ours, &x) != nil {
		return nil
	}
	if x.Meta != nil && len(x.Meta.Workloads) != 1 {
		x.Meta = nil
	}
	return &x
}
