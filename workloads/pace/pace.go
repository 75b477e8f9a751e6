// Package pace says when the operations of a load are intended. It is pure: the
// nth operation's time follows from its number, the rate over time and, where
// arrivals are random, a seed.
package pace

import (
	"math"
	"time"
)

// Pacer says when a worker's nth operation (from 0) is intended, in
// nanoseconds after the load's start; math.MaxInt64 if there is none. It never
// decreases, and the same n always gives the same time. One goroutine uses it.
type Pacer func(n uint64) int64

// Closed, as a rate, is a closed loop: each client sends as soon as its last
// operation was answered.
var Closed = math.Inf(1)

// Phase is a stretch of a load in which the rate follows one rule.
type Phase struct {
	Name string
	Rate float64       // operations per second, at its begin if it is a ramp; 0: none; Closed: a closed loop
	To   float64       // of a ramp: the rate at its end; 0: it is none
	Sine Sine          // swings around Rate
	For  time.Duration // 0: without an end, which only the last phase may be, at a constant rate
}

// Sine is a rate's swing: Amplitude·sin(2πt/Period), from the phase's begin on.
type Sine struct {
	Amplitude float64 // operations per second
	Period    time.Duration
}

// Length is how long some phases last together.
func Length(phases []Phase) time.Duration {
	sum := time.Duration(0)
	for _, p := range phases {
		sum += p.For
	}
	return sum
}

// within is how many operations are intended in the first t seconds: the
// integral of the rate.
func (p *Phase) within(t float64) float64 {
	switch {
	case math.IsInf(p.Rate, 1):
		return 0
	case p.To > 0:
		return t * (p.Rate + (p.To-p.Rate)/p.For.Seconds()*t/2)
	case p.Sine.Amplitude > 0:
		turn := 2 * math.Pi / p.Sine.Period.Seconds()
		return p.Rate*t + p.Sine.Amplitude/turn*(1-math.Cos(turn*t))
	}
	return p.Rate * t
}

// reach is the inverse of within, in nanoseconds: when x operations have been
// intended.
func (p *Phase) reach(x float64) float64 {
	switch {
	case x <= 0:
		return 0
	case p.To > 0:
		// The root of (To−Rate)/2For·t² + Rate·t = x without a difference of near numbers.
		slope := (p.To - p.Rate) / p.For.Seconds()
		return 2 * x / (p.Rate + math.Sqrt(max(p.Rate*p.Rate+2*slope*x, 0))) * 1e9
	case p.Sine.Amplitude > 0:
		return p.swing(x) * 1e9
	}
	return x * 1e9 / p.Rate
}

// swing solves Rate·t + A/ω·(1 − cos ωt) = x in the period that t is in: a
// whole period has Rate·Period operations. Newton's method, kept between bounds
// by halving them (Press et al., Numerical Recipes, 9.4), as the slope may be 0
// where the amplitude is the rate.
func (p *Phase) swing(x float64) float64 {
	period := p.Sine.Period.Seconds()
	whole := math.Floor(x / (p.Rate * period))
	x -= whole * p.Rate * period
	turn := 2 * math.Pi / period
	low, high := 0.0, period
	t := min(x/p.Rate, period)
	for range 60 {
		sin, cos := math.Sincos(turn * t)
		off := p.Rate*t + p.Sine.Amplitude/turn*(1-cos) - x
		if off > 0 {
			high = t
		} else {
			low = t
		}
		next := t - off/(p.Rate+p.Sine.Amplitude*sin)
		if math.Abs(next-t) < 1e-11 {
			break // a hundredth of a nanosecond
		}
		if !(next > low && next < high) {
			next = low + (high-low)/2
		}
		t = next
	}
	return whole*period + t
}
