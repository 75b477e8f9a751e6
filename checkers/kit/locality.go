package kit

import "slices"

// What makes use of locality: order that is nearly there, keys in use together.

// SortNear sorts what is nearly in order already, as what follows from
// operations in order of their starts is: by insertion, which takes time
// linear in how far elements have to go. Where that is far it sorts as any
// other. Equal elements may change places.
func SortNear[T any](s []T, compare func(a, b T) int) {
	moves := 16 * len(s)
	for i := 1; i < len(s); i++ {
		if compare(s[i-1], s[i]) <= 0 {
			continue
		}
		v, j := s[i], i
		for ; j > 0 && compare(s[j-1], v) > 0; j-- {
			s[j] = s[j-1]
		}
		s[j] = v
		if moves -= i - j; moves < 0 {
			slices.SortFunc(s, compare)
			return
		}
	}
}

// nearby is a map for keys of which few are in use at a time, such as the
// clients of a run: those are found without a look into the map.
type nearby[K comparable, V any] struct {
	all   map[K]*V
	slots [64]struct {
		key K
		at  *V
	}
}

// NewNearby is an empty map.
func NewNearby[K comparable, V any]() *nearby[K, V] { return &nearby[K, V]{all: map[K]*V{}} }

// Get is the value of a key, nil if there is none; slot is the same for the
// same key, and best different for keys that are in use together.
func (n *nearby[K, V]) Get(key K, slot uint32) *V {
	s := &n.slots[slot%uint32(len(n.slots))]
	if s.at == nil || s.key != key {
		at := n.all[key]
		if at == nil {
			return nil
		}
		s.key, s.at = key, at
	}
	return s.at
}

func (n *nearby[K, V]) Put(key K, slot uint32, at *V) {
	n.all[key] = at
	s := &n.slots[slot%uint32(len(n.slots))]
	s.key, s.at = key, at
}
