package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/say"
)

// mostOps bounds the operations of one picture.
const mostOps = 14

// picture are operations as bars over time, one to a row. Positions are shares of the
// width in percent. Time in which nothing begins or ends is drawn short.
type picture struct {
	Rows   []opRow
	Axis   []axisMark
	Left   string // what is not drawn, in words
	Fault  *span
	Labels string // the fault's
}

// opRow is one operation.
type opRow struct {
	Who, What, Key string
	Value          []say.Part
	Outcome, Tone  string
	Times          string // when it began and ended
	Bar            span
	Open           bool // it may have taken effect at any later time
}

type span struct{ X, W string }

type axisMark struct{ X, Text, Anchor string }

// pictureOf draws a finding; nil if it has no operations.
func pictureOf(in *Input, f *results.Finding, fault *results.Fault) *picture {
	if len(f.Evidence) == 0 {
		return nil
	}
	ops := make([]*results.Evidence, 0, len(f.Evidence))
	for i := range f.Evidence {
		ops = append(ops, &f.Evidence[i])
	}
	slices.SortStableFunc(ops, func(a, b *results.Evidence) int { return cmp.Compare(a.Start, b.Start) })
	p := &picture{}
	if left := len(ops) - mostOps; left > 0 {
		p.Left = units.Plural(left, "further operation is", "further operations are") + " not drawn"
		ops = ops[:mostOps]
	}
	scale := newScale(ops, fault)
	for _, op := range ops {
		p.Rows = append(p.Rows, rowOf(op, scale, in.Verdict.Plan.Foreign))
	}
	if fault != nil {
		band := scale.span(fault.At, fault.End)
		p.Fault, p.Labels = &band, faultLine(fault)
	}
	p.Axis = scale.marks(ops)
	return p
}

func rowOf(op *results.Evidence, s *scale, foreign bool) opRow {
	r := opRow{Who: who(op), What: op.What, Key: cmp.Or(op.KeyName, fmt.Sprint(op.Key)), Value: valueParts(op, foreign),
		Times: units.Instant(op.Start) + " to " + units.Instant(op.End), Bar: s.span(op.Start, op.End), Tone: "good"}
	r.Outcome = op.Outcome
	switch op.Outcome {
	case history.OK.String():
		if r.Outcome = "answered"; written[op.What] {
			r.Outcome = "acknowledged"
		}
	case history.Fail.String():
		r.Outcome, r.Tone = "failed", "bad"
	default:
		r.Outcome, r.Tone, r.Open = "outcome unknown", "open", true
	}
	if op.Error != "" {
		r.Outcome += " (" + op.Error + ")"
	}
	if op.Final {
		r.What = "final " + op.What
	}
	if op.Txn != "" {
		r.Key = ""
	}
	return r
}

// who is a client and the node that it asked.
func who(op *results.Evidence) string {
	client := "client " + fmt.Sprint(op.Number)
	switch {
	case op.Client != "":
		client = op.Client
	case op.Final:
		client = "after the run"
	case op.Number == 0:
		client = "process " + fmt.Sprint(op.Process)
	}
	if op.Node != "" {
		return client + " → " + op.Node
	}
	return client
}

// valueParts are what an operation wrote or saw, in words.
func valueParts(op *results.Evidence, foreign bool) []say.Part {
	value := func(v int64) say.Part { return say.Part{Text: say.Value(v, foreign), Value: true} }
	text := func(s string) say.Part { return say.Part{Text: s} }
	switch {
	case op.Txn != "":
		return say.Parts(op.Txn, foreign)
	case op.Nil:
		return []say.Part{{Text: "nil", Value: true}}
	case op.Size > 0 && op.Shown != "":
		return say.Parts(op.Shown, foreign)
	case op.Old != nil && op.Value != nil:
		parts := []say.Part{value(*op.Old), text(" to "), value(*op.Value)}
		if op.Observed != nil {
			parts = append(parts, text(", found "), value(*op.Observed))
		}
		return parts
	case op.Shown != "":
		return say.Parts(op.Shown, foreign)
	case op.Size > 0:
		return append([]say.Part{text(units.Plural(op.Size, "element", "elements") + ": ")}, elements(op, value)...)
	case op.What == history.ReadSet.String() && op.Outcome == history.OK.String():
		return []say.Part{text("no elements")}
	case op.Value != nil:
		return []say.Part{value(*op.Value)}
	}
	return nil
}

// elements are those that are kept of an answer.
func elements(op *results.Evidence, value func(int64) say.Part) []say.Part {
	const most = 4
	var parts []say.Part
	for i, v := range op.Elements[:min(len(op.Elements), most)] {
		if i > 0 {
			parts = append(parts, say.Part{Text: "; "})
		}
		parts = append(parts, value(v))
	}
	if op.Size > most {
		parts = append(parts, say.Part{Text: " …"})
	}
	return parts
}

// scale maps instants to places between 2 and 98 percent. Between two instants at which
// something begins or ends it keeps the order, and gives long waits little more room than
// short ones.
type scale struct {
	at    []int64
	place []float64
}

func newScale(ops []*results.Evidence, fault *results.Fault) *scale {
	s := &scale{}
	for _, op := range ops {
		s.at = append(s.at, op.Start, max(op.End, op.Start))
	}
	if fault != nil {
		first, last := slices.Min(s.at), slices.Max(s.at)
		for _, at := range [...]int64{fault.At, fault.End} {
			if first < at && at < last {
				s.at = append(s.at, at)
			}
		}
	}
	slices.Sort(s.at)
	s.at = slices.Compact(s.at)
	s.place = make([]float64, len(s.at))
	for i := 1; i < len(s.at); i++ {
		s.place[i] = s.place[i-1] + 1 + math.Log2(1+float64(kit.Span(s.at[i], s.at[i-1]))/100e3)
	}
	total := s.place[len(s.place)-1]
	for i := range s.place {
		if total == 0 {
			s.place[i] = 50
			continue
		}
		s.place[i] = 2 + 96*s.place[i]/total
	}
	return s
}

// x is the place of an instant.
func (s *scale) x(at int64) float64 {
	i, found := slices.BinarySearch(s.at, at)
	switch {
	case found:
		return s.place[i]
	case i == 0:
		return 0
	case i == len(s.at):
		return 100
	}
	return (s.place[i-1] + s.place[i]) / 2
}

func (s *scale) span(from, to int64) span {
	a, b := s.x(from), s.x(max(from, to))
	return span{percent(a), percent(max(b-a, 0.8))}
}

func percent(x float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", x), ".0") + "%" }

// marks are the instants that the axis names: those at which operations begin, as far
// apart as their words are wide.
func (s *scale) marks(ops []*results.Evidence) []axisMark {
	const apart = 24.0
	var marks []axisMark
	last := math.Inf(-1)
	for _, op := range ops {
		x := s.x(op.Start)
		if x-last < apart {
			continue
		}
		anchor := "middle"
		switch {
		case x < 8:
			anchor = "start"
		case x > 90:
			anchor = "end"
		}
		marks, last = append(marks, axisMark{percent(x), units.Instant(op.Start), anchor}), x
	}
	return marks
}
