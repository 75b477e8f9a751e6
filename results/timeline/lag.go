package timeline

import (
	"cmp"
	"math"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/lag"
	"github.com/aftershock-chaos/aftershock/history"
)

// answerStands is how long an answer of the system about its lag stands: the next one
// may be a little late.
const answerStands = int64(3 * history.ServerLagEvery / 2)

// mostNodes is how many nodes a chart tells apart: the worst.
const mostNodes = 8

// lagging is what is known of replicas' lag.
type lagging struct {
	nodes []string
	last  int64 // the log's end
	spans map[int][]lag.LagSpan
	told  map[int][]lag.ServerLagAnswer
}

func newLagging(log *history.Log) *lagging {
	l := &lagging{nodes: log.Meta.Nodes, last: log.End(), spans: map[int][]lag.LagSpan{}, told: map[int][]lag.ServerLagAnswer{}}
	for _, s := range lag.LagSpans(log) {
		s.Visible = min(s.Visible, max(l.last, s.Acked))
		l.spans[int(s.Node)] = append(l.spans[int(s.Node)], s)
	}
	for _, of := range l.spans {
		slices.SortFunc(of, func(a, b lag.LagSpan) int { return cmp.Compare(a.Visible, b.Visible) })
	}
	for _, a := range lag.ServerLagAnswers(log) {
		if a.Time >= 0 {
			l.told[a.Node] = append(l.told[a.Node], a)
		}
	}
	return l
}

// fill adds the columns of lag to a level.
func (l *lagging) fill(to *Level) {
	for i, node := range l.nodes {
		if of := l.spans[i]; len(of) > 0 {
			to.Seen = append(to.Seen, OfNode{node, behind(of, to.first, to.width, to.Bins)})
		}
		if of := l.told[i]; len(of) > 0 {
			to.Told = append(to.Told, OfNode{node, toldColumn(of, to.first, to.width, to.Bins)})
		}
	}
	to.Seen, to.Told = worstNodes(to.Seen), worstNodes(to.Told)
}

// worstNodes keeps those that reach the greatest values, in their order.
func worstNodes(all []OfNode) []OfNode {
	if len(all) <= mostNodes {
		return all
	}
	greatest := func(c Column) float64 {
		most := 0.0
		for _, x := range c {
			if x > most { // never true of NaN
				most = x
			}
		}
		return most
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(greatest(all[b].Max), greatest(all[a].Max)) })
	order = order[:mostNodes]
	slices.Sort(order)
	kept := make([]OfNode, 0, mostNodes)
	for _, i := range order {
		kept = append(kept, all[i])
	}
	return kept
}

func unmeasured(n int) Column {
	c := make(Column, n)
	for i := range c {
		c[i] = math.NaN()
	}
	return c
}

// raise makes a cell the greater of what is there and x.
func (c Column) raise(at int64, x float64) {
	if math.IsNaN(c[at]) || x > c[at] {
		c[at] = x
	}
}

// toldColumn is the greatest time, in milliseconds, that stood in each bin. An answer
// stands until the replica's next one, and no longer than answerStands.
func toldColumn(answers []lag.ServerLagAnswer, first, width int64, n int) Column {
	c := unmeasured(n)
	for i, answer := range answers { // by time
		end := answer.At + answerStands
		if i+1 < len(answers) {
			end = min(end, answers[i+1].At)
		}
		for b := max(kit.Span(answer.At, first), 0) / width; b < int64(n) && first+b*width <= end; b++ {
			c.raise(b, float64(answer.Time)/1e6)
		}
	}
	return c
}

// behind is how far behind one replica was for clients: the greatest age, in
// milliseconds, that an acknowledged and not yet visible marker reached in each bin;
// nothing where there was no such marker. The spans are by the time at which they end.
//
// In a bin [b, e) a span [a, v) reaches the age min(e, v) − a. Of those with v ≥ e the
// one with the least a counts, which is a minimum over a suffix of the spans by v; those
// with v in the bin are looked at one by one. So it takes one pass.
func behind(spans []lag.LagSpan, first, width int64, n int) Column {
	c := unmeasured(n)
	oldest := make([]int64, len(spans)+1) // the least Acked of spans[i:]
	oldest[len(spans)] = math.MaxInt64
	for i := len(spans) - 1; i >= 0; i-- {
		oldest[i] = min(oldest[i+1], spans[i].Acked)
	}
	next := 0 // the first span that ends in this bin or later
	for b := range c {
		from, to := first+int64(b)*width, first+int64(b+1)*width
		most := int64(-1)
		for ; next < len(spans) && spans[next].Visible < to; next++ {
			if spans[next].Visible >= from {
				most = max(most, spans[next].Visible-spans[next].Acked)
			}
		}
		if oldest[next] < to {
			most = max(most, to-oldest[next])
		}
		if most >= 0 {
			c[b] = float64(most) / 1e6
		}
	}
	return c
}

// caughtUp is when a replica had shown every marker that was acknowledged before an
// instant; ok is false if no marker tells.
func (l *lagging) caughtUp(node int, at int64) (when int64, ok bool) {
	for _, s := range l.spans[node] {
		if s.Acked < at {
			when, ok = max(when, s.Visible), true
		}
	}
	return when, ok
}
