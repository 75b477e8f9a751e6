// Package keys chooses the keys of operations. A Distribution is immutable and
// shared; a Chooser is one worker's, and turns random numbers into keys without
// a lock and without allocating.
package keys

import (
	"math"
	"math/bits"
)

// Distribution is how keys below a number are chosen.
type Distribution struct {
	draw  draw
	n     uint64
	slots []slot // of zipfian, exponential and latest

	// Of hotspot: below share, of 2^64, an operation goes to one of the hot keys.
	hot, share uint64
	step       uint64
}

// draw is the way in which a random number becomes a key.
type draw uint8

const (
	drawUniform draw = iota
	drawRank
	drawLatest
	drawHotspot
	drawSequential
)

// New makes the distribution that a checked spec describes over n keys, 1 at
// least. It takes time and memory linear in n where ranks have weights of their
// own, 12 bytes for each key.
func New(n int, s Spec) *Distribution {
	d := &Distribution{n: uint64(n)}
	if n == 1 {
		return d
	}
	switch s.Name {
	case Zipfian:
		d.draw, d.slots = drawRank, aliasTable(n, zipf(s.theta()), scattered(n))
	case Latest:
		d.draw, d.slots = drawLatest, aliasTable(n, zipf(s.theta()), func(rank int) uint32 { return uint32(rank) })
	case Exponential:
		d.draw, d.slots = drawRank, aliasTable(n, exponential(n, s), func(rank int) uint32 { return uint32(n - 1 - rank) })
	case Hotspot:
		d.hot = uint64(min(max(math.Round(float64(n)*s.hotKeys()/100), 1), float64(n)))
		d.share = share(s.hotOperations() / 100)
		if d.hot == d.n {
			d.share = math.MaxUint64
		}
		d.draw, d.step = drawHotspot, stride(n)
	case Sequential:
		d.draw = drawSequential
	}
	return d
}

// zipf is the weight of a rank from 0: 1/(rank+1)^theta (Gray et al.: Quickly
// Generating Billion-Record Synthetic Databases, 1994, which YCSB follows; their
// approximation of it wants a theta below 1, a table does not).
func zipf(theta float64) func(int) float64 {
	return func(rank int) float64 { return math.Pow(float64(rank+1), -theta) }
}

// exponential is the weight of a rank such that the given share of all operations
// falls on the given share of the keys, as YCSB has it, and none beyond the keys.
func exponential(n int, s Spec) func(int) float64 {
	gamma := -math.Log1p(-s.percentile()/100) / (float64(n) * s.frontKeys() / 100)
	return func(rank int) float64 { return math.Exp(-gamma * float64(rank)) }
}

// share is a part of all 64-bit numbers.
func share(of float64) uint64 {
	if of >= 1 {
		return math.MaxUint64
	}
	return uint64(of * (1 << 32) * (1 << 32))
}

// Worker is the chooser of one of so many workers. Together they go through all
// keys where a distribution has an order.
func (d *Distribution) Worker(i, workers int) Chooser {
	c := Chooser{d: d, at: uint64(i) % d.n, step: uint64(workers) % d.n}
	if d.draw == drawLatest {
		c.at = (c.at + d.n - c.step) % d.n // its first write goes to its first key
	}
	return c
}

// Chooser chooses the keys of one worker. It has a place in the keys' order,
// which nobody shares: that the others are as far is what it takes for granted.
type Chooser struct {
	d        *Distribution
	at, step uint64
}

// Next turns one 64-bit random number into a key. write says what it is for: of
// latest, writes go through the keys one after the other, and reads most to those
// written last.
func (c *Chooser) Next(u uint64, write bool) uint32 {
	d := c.d
	switch d.draw {
	case drawRank:
		return d.rank(u)
	case drawHotspot:
		return d.hotspot(u)
	case drawLatest:
		if write {
			return c.advance()
		}
		newest, rank := c.at, uint64(d.rank(u))
		if rank > newest {
			newest += d.n
		}
		return uint32(newest - rank)
	case drawSequential:
		key := c.at
		c.advance()
		return uint32(key)
	}
	key, _ := bits.Mul64(u, d.n)
	return uint32(key)
}

// Behind is how many records lie between one of the latest and the newest. It is
// false for other distributions.
func (c *Chooser) Behind(u uint64) (rank uint32, latest bool) {
	if c.d.draw != drawLatest {
		return 0, false
	}
	return c.d.rank(u), true
}

func (c *Chooser) advance() uint32 {
	if c.at += c.step; c.at >= c.d.n {
		c.at -= c.d.n
	}
	return uint32(c.at)
}

// rank draws from the alias table: the high word of u·n is a column, uniform up to
// n/2^64, and the low word is how far u lies within that column.
func (d *Distribution) rank(u uint64) uint32 {
	column, within := bits.Mul64(u, d.n)
	s := &d.slots[column]
	if uint32(within>>32) < s.threshold {
		return s.own
	}
	return s.other
}

// hotspot takes one of the hot keys with the chance of share, and one of the
// others else: what of u is left above or below share is uniform in turn.
func (d *Distribution) hotspot(u uint64) uint32 {
	first, count := uint64(0), d.hot
	if u < d.share {
		u, _ = bits.Div64(u, 0, d.share)
	} else if d.share < math.MaxUint64 {
		first, count = d.hot, d.n-d.hot
		u, _ = bits.Div64(u-d.share, 0, -d.share)
	}
	within, _ := bits.Mul64(u, count)
	return uint32((first + within) * d.step % d.n)
}
