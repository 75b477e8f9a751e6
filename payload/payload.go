// Package payload makes the bytes of values: the unique number that the history
// knows a value by, and behind it as many bytes as the value is to be long. The
// bytes are a pure function of the number, so that whoever reads a value can tell
// whether it is whole.
package payload

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"

	"github.com/aftershock-chaos/aftershock/history"
)

// Payload makes and reads the values of one workload. It is immutable and shared.
// A nil one is of values that are their number alone, in decimal.
type Payload struct {
	seed  uint64
	least uint64
	span  uint64   // uniform: how many sizes there are from least on
	sizes []uint64 // of a histogram
	until []uint64 // running sums of their weights
}

// New makes the payload that a checked spec describes; nil for one that says
// nothing. The seed chooses which values are long where they differ.
func New(s Spec, seed uint64) *Payload {
	switch {
	case s.Size > 0:
		return &Payload{seed: seed, least: uint64(s.Size), span: 1}
	case s.Max > 0:
		return &Payload{seed: seed, least: uint64(s.Min), span: uint64(s.Max-s.Min) + 1}
	case len(s.Sizes) == 0:
		return nil
	}
	p, total := &Payload{seed: seed}, uint64(0)
	for _, b := range s.bars() {
		if b.weight > 0 {
			total += uint64(b.weight)
			p.sizes, p.until = append(p.sizes, uint64(b.size)), append(p.until, total)
		}
	}
	return p
}

// Size is how many bytes the value of a number has.
func (p *Payload) Size(v int64) int {
	u := scramble(uint64(v) ^ p.seed)
	if p.sizes == nil {
		within, _ := bits.Mul64(u, p.span)
		return int(p.least + within)
	}
	at, _ := bits.Mul64(u, p.until[len(p.until)-1])
	i := 0
	for at >= p.until[i] {
		i++
	}
	return int(p.sizes[i])
}

// separator stands between the number and what fills the value up.
const separator = ':'

// Append appends the value of a number: "1099511627777", or with a payload
// "1099511627777:" and printable characters of 6 random bits each, in which
// nothing repeats that a compression could use. It allocates only where b has no
// room.
func (p *Payload) Append(b []byte, v int64) []byte {
	start := len(b)
	b = strconv.AppendInt(b, v, 10)
	if p == nil {
		return b
	}
	n := p.Size(v) - (len(b) - start) - 1
	if n < 0 {
		return b
	}
	b = append(b, separator)
	x := scramble(uint64(v)) // the fillings of neighbours have nothing in common
	for ; n >= 8; n -= 8 {
		x++
		b = binary.LittleEndian.AppendUint64(b, filling(x))
	}
	var rest [8]byte
	binary.LittleEndian.PutUint64(rest[:], filling(x+1))
	return append(b, rest[:n]...)
}

// filling is eight characters of '0' to 'O' and ']' to '|': printable, and none
// that has to be escaped anywhere.
func filling(x uint64) uint64 {
	x = scramble(x)
	upper := x >> 5 & 0x0101010101010101
	return x&0x3f3f3f3f3f3f3f3f + 0x3030303030303030 + upper*0x0d
}

// Parse is the number of a value. One that was cut off, mixed with another or
// changed in any way is history.Torn: nobody wrote it. Without a payload it is an
// error if it is no number.
func (p *Payload) Parse(b []byte) (int64, error) {
	if p == nil {
		return strconv.ParseInt(string(b), 10, 64) // the text does not leave the call
	}
	v, digits := int64(0), 0
	for digits < len(b) && digits < mostDigits && b[digits]-'0' <= 9 {
		v = v*10 + int64(b[digits]-'0')
		digits++
	}
	var canonical [20]byte
	if !bytes.Equal(strconv.AppendInt(canonical[:0], v, 10), b[:digits]) || len(b) != max(p.Size(v), digits) {
		return history.Torn, nil
	}
	if b = b[digits:]; len(b) > 0 && (b[0] != separator || !filled(b[1:], v)) {
		return history.Torn, nil
	}
	return v, nil
}

// filled tells whether these are the bytes that fill up the value of a number.
func filled(b []byte, v int64) bool {
	x := scramble(uint64(v))
	for ; len(b) >= 8; b = b[8:] {
		if x++; binary.LittleEndian.Uint64(b) != filling(x) {
			return false
		}
	}
	var rest [8]byte
	binary.LittleEndian.PutUint64(rest[:], filling(x+1))
	return bytes.Equal(b, rest[:len(b)])
}

// scramble is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable
// Pseudorandom Number Generators, 2014), whose every output bit depends on every
// input bit.
func scramble(x uint64) uint64 {
	x *= 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Table is the payloads of a plan's workloads, by number.
type Table []*Payload

// Of is the payload of an operation's values.
func (t Table) Of(op *history.Op) *Payload {
	if int(op.Workload) < len(t) {
		return t[op.Workload]
	}
	return nil
}
