package workloads

import "math"

// fixedRate is the pacer of worker i of c in an open loop of rate operations
// per second in all: it gets the operations i, i+c, i+2c, … of one schedule.
// Each time is computed from its own number, so errors do not add up: in
// float64 it is exact to 1 ns for the first hundred days.
func fixedRate(rate float64, i, c int) Pacer {
	workers, first := float64(c), float64(i)
	return func(n uint64) int64 {
		ns := (float64(n)*workers + first) * 1e9 / rate
		if ns >= math.MaxInt64 {
			return math.MaxInt64
		}
		return int64(ns)
	}
}

// fixedGap is the pacer of one worker that acts every gap nanoseconds.
func fixedGap(gap int64) Pacer {
	last := uint64(math.MaxInt64 / gap)
	return func(n uint64) int64 {
		if n > last {
			return math.MaxInt64
		}
		return int64(n) * gap
	}
}

// Skip is the number of the first operation from n on that p intends at or
// after now: what a worker that need not make up for missed operations (see
// Filter) does next. p must not decrease.
func Skip(p Pacer, n uint64, now int64) uint64 {
	if p(n) >= now {
		return n
	}
	step := uint64(1)
	for p(n+step) < now {
		n += step
		step *= 2
	}
	low, high := n, n+step // p(low) < now <= p(high)
	for high-low > 1 {
		middle := low + (high-low)/2
		if p(middle) < now {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}
