package web

import "math"

// Scale is where numbers are on the upright axis of a small picture.
type Scale struct {
	Low, High   float64
	Log         bool
	top, bottom float64 // where High and Low are
}

const (
	// wide is how many times the least value the greatest is from which on the axis is
	// logarithmic, and widest up to which: beyond it nobody reads it.
	wide, widest = 30, 1e15
	// mostPowers is how many lines a logarithmic axis has.
	mostPowers = 9
	// little and much are what a picture has numbers between: what a damaged verdict says
	// beyond them is drawn as that.
	little, much = 1e-100, 1e100
)

// NewScale is an axis for numbers from low to high, between two heights. It begins at
// zero, unless it is logarithmic, and ends at ticks.
func NewScale(low, high, top, bottom float64) Scale {
	low, high = min(max(low, -much), much), min(max(high, -much), much)
	s := Scale{Low: low, High: high, top: top, bottom: bottom}
	if s.Log = low > little && high > wide*low && high < widest*low; s.Log {
		s.Low, s.High = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
		return s
	}
	s.Low, s.High = min(low, 0), max(high, 0)
	if s.High-s.Low < little {
		s.High = s.Low + 1
	}
	unit := s.unit()
	s.Low, s.High = math.Floor(s.Low/unit)*unit, math.Ceil(s.High/unit)*unit
	return s
}

// unit is the distance of the ticks of a linear axis: 1, 2 or 5 with zeros.
func (s Scale) unit() float64 {
	rough := (s.High - s.Low) / 4
	ten := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, n := range []float64{1, 2, 5} {
		if n*ten >= rough {
			return n * ten
		}
	}
	return 10 * ten
}

// Ticks are the numbers at which the axis has a line.
func (s Scale) Ticks() []float64 {
	var all []float64
	if s.Log {
		step := math.Pow(10, math.Ceil(math.Log10(s.High/s.Low)/(mostPowers-1)-1e-9))
		for n := s.Low; n <= s.High*1.01; n *= step {
			all = append(all, n)
		}
		return all
	}
	unit := s.unit()
	for i := 0.0; s.Low+i*unit <= s.High+unit/2; i++ {
		all = append(all, math.Round((s.Low+i*unit)/unit)*unit)
	}
	return all
}

// Y is the place of a number, rounded to a tenth; one beyond the axis is at its end.
func (s Scale) Y(n float64) float64 {
	n = min(max(n, s.Low), s.High)
	share := (n - s.Low) / (s.High - s.Low)
	if s.Log {
		share = math.Log(n/s.Low) / math.Log(s.High/s.Low)
	}
	return math.Round(10*(s.bottom-share*(s.bottom-s.top))) / 10
}
