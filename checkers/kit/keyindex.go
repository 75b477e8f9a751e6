package kit

// KeyIndex finds the place of a key, in an array for the small numbers that
// our own workloads use.
type KeyIndex struct {
	dense  [256][]int32
	sparse map[uint64]*int32
}

// DenseKeys bounds the arrays.
const DenseKeys = 1 << 20

// NewKeyIndex is an empty index.
func NewKeyIndex() *KeyIndex { return &KeyIndex{sparse: map[uint64]*int32{}} }

// Of is where the place of a key is kept, 0 at first. It is good until the
// next call.
func (x *KeyIndex) Of(workload uint8, key uint32) *int32 {
	if key < DenseKeys {
		d := x.dense[workload]
		if int(key) >= len(d) {
			d = append(d, make([]int32, max(int(key)+1-len(d), len(d), 64))...)
			x.dense[workload] = d
		}
		return &d[key]
	}
	id := uint64(workload)<<32 | uint64(key)
	at := x.sparse[id]
	if at == nil {
		at = new(int32)
		x.sparse[id] = at
	}
	return at
}
