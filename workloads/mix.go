package workloads

import (
	"math/bits"

	"github.com/aftershock-chaos/aftershock/history"
)

// mix chooses operations by weight.
type mix struct {
	total uint64
	until [5]uint64 // running sums of the weights of kinds
	kinds [5]history.Kind
	n     int
}

// newMix takes the weights in the order given; those without weight are left out.
func newMix(weights map[string]int, order []operation) mix {
	var m mix
	for _, o := range order {
		if w := weights[o.name]; w > 0 {
			m.total += uint64(w)
			m.until[m.n], m.kinds[m.n] = m.total, o.kind
			m.n++
		}
	}
	return m
}

// operation is a kind under the name that a mix gives it.
type operation struct {
	name string
	kind history.Kind
}

func operationNames(ops []operation) []string {
	var all []string
	for _, o := range ops {
		all = append(all, o.name)
	}
	return all
}

// pick turns one 64-bit random number into a kind.
func (m *mix) pick(u uint64) history.Kind {
	at, _ := bits.Mul64(u, m.total)
	for i := range m.n - 1 {
		if at < m.until[i] {
			return m.kinds[i]
		}
	}
	return m.kinds[m.n-1]
}

// has tells whether the kind has any weight.
func (m *mix) has(kind history.Kind) bool {
	for i := range m.n {
		if m.kinds[i] == kind {
			return true
		}
	}
	return false
}

// readRoute turns a plan's read_from into a route.
func readRoute(from string) Route {
	switch from {
	case "replicas":
		return ToReplica
	case "any":
		return ToAny
	default:
		return ToPrimary
	}
}
