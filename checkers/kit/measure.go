package kit

import (
	"github.com/aftershock-chaos/aftershock/checkers"
)

const TornWhy = checkers.TornWhy

// Counted is a known number.
func Counted(name string, n int) checkers.Value {
	return checkers.Value{Name: name, N: float64(n), Known: true}
}

// Recorded is a count of what a log tells; of a torn one there was more.
func Recorded(name string, n int, torn bool) checkers.Value {
	if torn {
		return Proven(name, n, TornWhy)
	}
	return Counted(name, n)
}

// Asked is a count of anomalies in so many answers. Those found are certain.
// That there are none is known only if somebody was asked: without any answer
// it is unknown, for the reason nobody.
func Asked(name string, n, answers int, torn bool, nobody string) checkers.Value {
	if n == 0 && answers == 0 && !torn {
		return checkers.Value{Name: name, Why: nobody}
	}
	return Anomalies(name, n, torn)
}

// The reasons why nobody was asked.
const (
	NoRead     = "no read was answered, so that nobody looked: ask for reads, or for more time to settle"
	NoDelivery = "no dequeue and no drain was answered, so that nobody looked: give consumers, or more time to settle"
)

// Anomalies is a count of anomalies. In a torn history those found are proven,
// and there may be more; that there are none is unknown.
func Anomalies(name string, n int, torn bool) checkers.Value {
	if torn {
		return Proven(name, n, TornWhy)
	}
	return Proven(name, n, "")
}

// Proven is a count of anomalies that is complete only if missing is empty.
func Proven(name string, n int, missing string) checkers.Value {
	v := Counted(name, n)
	if missing != "" {
		v.Known, v.Why = n > 0, missing
		if n > 0 {
			v.AtLeast, v.Why = true, "at least; "+missing
		}
	}
	return v
}

// Between is a value of which only bounds are known, and why; exact where they
// meet.
func Between(name string, least, most float64, why string) checkers.Value {
	v := checkers.Value{Name: name, N: least, Known: true}
	if most > least {
		v.AtLeast, v.AtMost, v.Why = true, most, why
	}
	return v
}

// OfWhole is a quantile as far as a log tells that may be torn: of a part of the
// values the greatest is a lower bound for all, and no other quantile tells
// anything of all.
func OfWhole(v checkers.Value, torn, greatest bool) checkers.Value {
	switch {
	case !torn || !v.Known:
	case greatest:
		v.AtLeast, v.AtMost, v.Why = true, 0, "at least; "+TornWhy
	default:
		v = checkers.Value{Name: v.Name, Why: TornWhy}
	}
	return v
}

// Ratio is part/whole, unknown of an empty whole.
func Ratio(name string, part, whole int, empty string) checkers.Value {
	if whole == 0 {
		return checkers.Value{Name: name, Why: empty}
	}
	return checkers.Value{Name: name, N: float64(part) / float64(whole), Known: true}
}
