package site

import (
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/results/say"
	"github.com/aftershock-chaos/aftershock/results/timeline"
)

// thumb is a run over time as a small picture: operations a second by outcome, over the
// faults.
type thumb struct {
	OK, Bad string // paths
	Bands   []stripe
	Words   string // what it shows
}

// stripe is a part of the picture's width.
type stripe struct{ X, W float64 }

// The picture's measures, and of how many points it is made.
const (
	thumbWide, thumbHigh = 240.0, 44.0
	thumbPoints          = 120
)

// thumbOf draws a run; nil if there is nothing to draw.
func thumbOf(r *Run) *thumb {
	if r.Over == nil || r.Over.End <= r.Over.Begin {
		return nil
	}
	l := r.Over.Levels[0]
	ok, bad := make([]float64, l.Bins), make([]float64, l.Bins)
	for _, g := range []*timeline.Answers{l.Reads, l.Writes} {
		if g == nil {
			continue
		}
		for i := range l.Bins {
			ok[i] += g.OK[i]
			bad[i] += g.Failed[i] + g.Unknown[i]
		}
	}
	ok, bad = squeezed(ok), squeezed(bad)
	most := 1.0
	for i := range ok {
		most = max(most, ok[i]+bad[i])
	}
	width := thumbWide * min(float64(l.Bins)*l.Width/(r.Over.End-r.Over.Begin), 1)
	t := &thumb{OK: area(ok, make([]float64, len(ok)), most, width), Bad: area(bad, ok, most, width)}
	x := func(at float64) float64 {
		return thumbWide * min(max((at-r.Over.Begin)/(r.Over.End-r.Over.Begin), 0), 1)
	}
	var faults []string
	for _, b := range r.Over.Bands {
		if b.Kind == "fault" {
			t.Bands = append(t.Bands, stripe{round(x(b.Begin)), round(max(x(b.End)-x(b.Begin), 1))})
			faults = append(faults, fmt.Sprintf("%s from %.1f s to %.1f s", b.Label, b.Begin, b.End))
		}
	}
	t.Words = "at most " + say.Number(most) + " operations a second"
	if len(faults) > 0 {
		t.Words += "; " + strings.Join(faults, "; ")
	}
	return t
}

// squeezed are at most thumbPoints means of neighbours.
func squeezed(values []float64) []float64 {
	each := (len(values) + thumbPoints - 1) / thumbPoints
	if each <= 1 {
		return values
	}
	var few []float64
	for i := 0; i < len(values); i += each {
		part, sum := values[i:min(i+each, len(values))], 0.0
		for _, v := range part {
			sum += v
		}
		few = append(few, sum/float64(len(part)))
	}
	return few
}

// area is the path around values that stand on others; empty where all are zero.
func area(values, on []float64, most, width float64) string {
	var up strings.Builder
	var down []string
	any := false
	at := func(i int, v float64) string {
		return fmt.Sprintf("%.4g %.3g", width*(float64(i)+0.5)/float64(len(values)), thumbHigh-1-(thumbHigh-4)*v/most)
	}
	for i, v := range values {
		any = any || v > 0
		verb := "L"
		if i == 0 {
			verb = "M"
		}
		up.WriteString(verb + at(i, on[i]+v))
		down = append(down, at(i, on[i]))
	}
	if !any {
		return ""
	}
	for i := len(down) - 1; i >= 0; i-- {
		up.WriteString("L" + down[i])
	}
	return up.String() + "Z"
}

func round(x float64) float64 { return float64(int(x*10+0.5)) / 10 }
