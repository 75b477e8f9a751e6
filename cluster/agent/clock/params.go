package clock

import "math"

// The head of a hook's body, before its code. The code takes the offset, the rate and the
// base of one of several blocks, as the byte at selOff says. Who changes them writes the next
// block and then that one byte, so that no thread sees a mixture: one that was put off
// between two instructions still reads a block that is written again much later.
const (
	selOff    = 8  // which block: its distance from the first
	blocksOff = 16 // the first block
	blockSize = 24
	blocks    = 8
	headSize  = blocksOff + blocks*blockSize

	offsetOff = 0  // nanoseconds that are added
	rateOff   = 8  // nanoseconds gained in each since base, times 1<<rateBits
	baseOff   = 16 // of the true time, in nanoseconds

	rateBits = 32
)

// magic begins the body of a hook that is in place.
const magic = 0x6b6c63776f687361

// params are what a process's clock is wrong by: offset + rate·(now − base).
type params struct{ offset, rate, base int64 }

// rateOf is a rate, in seconds a second, as the code takes it.
func rateOf(drift float64) int64 { return int64(math.Round(drift * (1 << rateBits))) }

// encode is a block.
func (p params) encode() []byte {
	b := le.AppendUint64(nil, uint64(p.offset))
	b = le.AppendUint64(b, uint64(p.rate))
	return le.AppendUint64(b, uint64(p.base))
}

// decodeParams reads a block.
func decodeParams(b []byte) params {
	return params{int64(le.Uint64(b[offsetOff:])), int64(le.Uint64(b[rateOff:])), int64(le.Uint64(b[baseOff:]))}
}

// newHead is the head of a hook that shifts nothing yet.
func newHead() []byte { return append(le.AppendUint64(nil, magic), make([]byte, headSize-8)...) }

// selected is the distance of the block in use from the first.
func selected(head []byte) int { return int(head[selOff]) / blockSize % blocks * blockSize }

// following is that of the one to be written next.
func following(head []byte) int { return (selected(head) + blockSize) % (blocks * blockSize) }

// current are the params in use.
func current(head []byte) params { return decodeParams(head[blocksOff+selected(head):]) }
