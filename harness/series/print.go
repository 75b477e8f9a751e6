package series

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// curveColumns are the facts of the curve that a table shows.
var curveColumns = []struct{ head, fact string }{
	{"done", "ops.rate"}, {"p50", "latency.p50"}, {"p99", "latency.p99"}, {"lag p50", "lag.p50"}, {"lag p99", "lag.p99"}, {"lag slope", "lag.slope"},
}

// Answer is what was found in one line.
func (f *Found) Answer() string {
	switch {
	case f.Least == nil && f.Most == nil:
		return "max rate: not found, as the search was ended early"
	case f.Least == nil && f.Undecided:
		return fmt.Sprintf("max rate: not known, as no run could tell whether %s/s holds", figure(*f.Most))
	case f.Least == nil && *f.Most <= f.From:
		return fmt.Sprintf("max rate: below %s/s, the first that was tried", figure(*f.Most))
	case f.Least == nil:
		return fmt.Sprintf("max rate: below %s/s, and none was confirmed by a longer run", figure(*f.Most))
	case f.Most == nil:
		return fmt.Sprintf("max rate: at least %s/s, the greatest that was to be tried", figure(*f.Least))
	}
	answer := fmt.Sprintf("max rate: %s/s to %s/s", figure(*f.Least), figure(*f.Most))
	if f.Undecided {
		answer += ", of which no run could tell whether it holds"
	}
	return answer
}

// Text writes the answer and the curve for people.
func (f *Found) Text(w io.Writer) error {
	var out bytes.Buffer
	fmt.Fprintln(&out, f.Answer())
	for _, why := range f.Why {
		fmt.Fprintln(&out, "  at "+figure(*f.Most)+"/s "+why)
	}
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	heads := []string{"  rate"}
	for _, c := range curveColumns {
		heads = append(heads, c.head)
	}
	fmt.Fprintln(table, strings.Join(append(heads, "holds"), "\t"))
	for _, p := range f.Points {
		cells := []string{"  " + figure(p.Rate) + "/s"}
		for _, c := range curveColumns {
			cells = append(cells, p.fact(c.fact))
		}
		holds := "yes"
		if p.Long {
			holds = fmt.Sprintf("yes, %d times as long", longer)
		}
		if p.Undecided && !p.Holds {
			holds = strings.Replace(holds, "yes", "undecided", 1)
		} else if !p.Holds {
			holds = strings.Replace(holds, "yes", "no", 1)
		}
		fmt.Fprintln(table, strings.Join(append(cells, holds), "\t"))
	}
	_ = table.Flush() // a buffer takes all
	_, err := w.Write(out.Bytes())
	return err
}

func (p *Point) fact(name string) string {
	for _, s := range p.Facts {
		if s.Fact == name {
			return s.Median.Format(s.Unit)
		}
	}
	return "–"
}

// figure is a rate for people.
func figure(rate float64) string {
	if rate >= 100 {
		return fmt.Sprintf("%.0f", rate)
	}
	return fmt.Sprintf("%.3g", rate)
}
