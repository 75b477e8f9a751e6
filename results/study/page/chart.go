package page

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results/compare"
	"github.com/aftershock-chaos/aftershock/results/study"
	"github.com/aftershock-chaos/aftershock/results/web"
)

// The chart's measures in its own units.
const (
	width, height            = 340.0, 196.0
	left, right, top, bottom = 62.0, 10.0, 10.0, 30.0
	colours                  = 8 // --n0 to --n7 of the style
)

// chart is a picture of one fact: the varied value against it, every run as a dot,
// the median as a bar, its interval as a box.
type chart struct {
	ID     string
	Title  string // the fact
	Along  string // what the lower axis has
	Words  string // what the picture shows, for those who do not see it
	Width  float64
	Height float64
	Axis   float64 // y of the lower axis
	Left   float64
	Right  float64
	Ticks  []tick
	Labels []label
	Series []line
	Legend bool
	Log    bool
}

type tick struct {
	Y    float64
	Text string
}

type label struct {
	X    float64
	Text string
}

// line is what one choice of the other varied values has.
type line struct {
	Name   string
	Colour int
	Path   string // through the medians
	Points []point
}

type point struct {
	X      float64
	Median float64
	Box    *span
	Dots   []span
}

// span is from one y to another; a value that is exact has both equal.
type span struct{ Y, Height float64 }

// X0 and X1 are the ends of a median's bar.
func (p point) X0() float64 { return p.X - 7 }
func (p point) X1() float64 { return p.X + 7 }

// Thin is where a bar of two units about X begins.
func (p point) Thin() float64 { return p.X - 1 }

// charts are the pictures of a part, of each column that some run measured.
func charts(part int, p *study.Part) []chart {
	var all []chart
	for i, c := range p.Columns {
		if made, ok := chartOf(p, i); ok {
			made.ID = fmt.Sprintf("c%d-%d", part, i)
			made.Title = c.Head()
			if len(p.Across) > 0 {
				made.Along = study.Short(p.Across[0])
			}
			all = append(all, made)
		}
	}
	return all
}

// chartOf draws one column; false where nothing is known of it.
func chartOf(p *study.Part, column int) (chart, bool) {
	c := chart{Width: width, Height: height, Axis: height - bottom, Left: left, Right: width - right}
	scale, ok := scaleOf(p, column)
	if !ok {
		return c, false
	}
	c.Log = scale.Log
	for _, n := range scale.Ticks() {
		c.Ticks = append(c.Ticks, tick{scale.Y(n), checkers.FormatValue(p.Columns[column].Unit, n)})
	}
	values, others := axes(p)
	step := (width - left - right) / float64(len(values))
	for i, v := range values {
		c.Labels = append(c.Labels, label{left + step*(float64(i)+0.5), v})
	}
	var words []string
	for k, other := range others {
		l := line{Name: other, Colour: k % colours}
		shift := 0.0
		if len(others) > 1 {
			shift = step * 0.45 * (float64(k)/float64(len(others)-1) - 0.5)
		}
		for _, r := range p.Rows {
			value, rest := place(p, r)
			cell := r.Cells[column]
			if rest != other || cell.Summary == nil || !bounded(cell.Median) {
				continue
			}
			x := left + step*(float64(slices.Index(values, value))+0.5) + shift
			l.Points = append(l.Points, pointOf(cell.Summary, x, scale))
			words = append(words, strings.TrimSpace(r.Name()+" "+cell.Text()))
		}
		l.connect()
		c.Series = append(c.Series, l)
	}
	c.Legend = len(others) > 1
	c.Words = strings.Join(words, "; ")
	return c, len(words) > 0
}

func pointOf(s *compare.Summary, x float64, scale web.Scale) point {
	p := point{X: x, Median: scale.Y(middle(s.Median))}
	if s.Interval != nil {
		box := spanOf(scale, *s.Interval)
		p.Box = &box
	}
	for _, v := range s.Values {
		if bounded(v) {
			p.Dots = append(p.Dots, spanOf(scale, v))
		}
	}
	return p
}

func (l *line) connect() {
	slices.SortFunc(l.Points, func(a, b point) int { return int(math.Copysign(1, a.X-b.X)) })
	var path strings.Builder
	for i, p := range l.Points {
		verb := "L"
		if i == 0 {
			verb = "M"
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", verb, p.X, p.Median)
	}
	l.Path = path.String()
}

// axes are the values of the first varied path, and the choices of the others.
func axes(p *study.Part) (values, others []string) {
	for _, r := range p.Rows {
		value, other := place(p, r)
		if !slices.Contains(values, value) {
			values = append(values, value)
		}
		if !slices.Contains(others, other) {
			others = append(others, other)
		}
	}
	return values, others
}

// place is a row's value of the first varied path, and its other settings.
func place(p *study.Part, r study.Row) (value, other string) {
	var rest []string
	for i, path := range p.Across {
		if i == 0 {
			value = r.Value(path)
			continue
		}
		rest = append(rest, study.Short(path)+" "+r.Value(path))
	}
	return value, strings.Join(rest, ", ")
}

func bounded(r compare.Range) bool {
	return !math.IsInf(r.Least, 0) && !math.IsInf(r.Most, 0) && !math.IsNaN(r.Least) && !math.IsNaN(r.Most)
}

func middle(r compare.Range) float64 { return (r.Least + r.Most) / 2 }

// scaleOf is the upright axis of a column; false where nothing is known of it.
func scaleOf(p *study.Part, column int) (web.Scale, bool) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, r := range p.Rows {
		cell := r.Cells[column]
		if cell.Summary == nil {
			continue
		}
		for _, v := range cell.Values {
			if bounded(v) {
				low, high = min(low, v.Least), max(high, v.Most)
			}
		}
	}
	return web.NewScale(low, high, top, height-bottom), !math.IsInf(low, 1)
}

// spanOf is where a range lies.
func spanOf(scale web.Scale, r compare.Range) span {
	upper := scale.Y(r.Most)
	return span{upper, math.Round(10*(scale.Y(r.Least)-upper)) / 10}
}
