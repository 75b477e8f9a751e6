package report

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	File       string          `xml:"file,attr,omitempty"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
	Out        string          `xml:"system-out,omitempty"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	Classname string        `xml:"classname,attr"`
	Time      string        `xml:"time,attr"`
	File      string        `xml:"file,attr,omitempty"`
	Line      int           `xml:"line,attr,omitempty"`
	Failure   *junitProblem `xml:"failure"`
	Error     *junitProblem `xml:"error"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes the verdicts as JUnit XML: one test suite for each run, one test
// case for each claim and each gate, with its place in the plan's file. A violated
// claim is a failure with its own evidence, an unknown claim and a gate that is not met
// are errors. Readers add up the times of cases: each has its share of the run's.
func JUnit(w io.Writer, verdicts ...*results.Verdict) error {
	all := junitSuites{Name: "aftershock"}
	var total int64
	for _, v := range verdicts {
		s := junitSuiteOf(v)
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Suites = append(all.Suites, s)
		total += v.Duration
	}
	all.Time = junitTime(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitTime(ns int64) string { return fmt.Sprintf("%.3f", float64(ns)/1e9) }

func junitSuiteOf(v *results.Verdict) junitSuite {
	name := plain(v.Plan.Name)
	for _, s := range v.Plan.Varied {
		name += fmt.Sprintf(" %s=%s", plain(s.Path), plain(s.Value))
	}
	suite := junitSuite{
		Name: name, Time: junitTime(v.Duration), Timestamp: v.Started.UTC().Format("2006-01-02T15:04:05"), File: plain(v.Plan.File),
		Properties: []junitProperty{
			{"verdict", string(v.Verdict)},
			{"seed", fmt.Sprint(v.Plan.Seed)},
			{"host", plain(v.Plan.Host)},
			{"target", plain(v.Plan.System())},
			{"run", plain(v.Run)},
			{"directory", plain(v.Dir)},
		},
		Out: strings.Join(slices.Concat(v.Notes, v.Remarks), "\n"),
	}
	for _, c := range v.Claims {
		suite.add(junitClaim(name, c, v))
	}
	for _, g := range v.Gates {
		tc := junitCase{Name: "gate: " + plain(g.Name), Classname: name, Line: v.Plan.Line}
		if !g.Met {
			tc.Error = &junitProblem{Message: plain(g.Detail), Type: "gate", Text: g.Detail}
		}
		suite.add(tc)
	}
	for i := range suite.Cases {
		suite.Cases[i].File, suite.Cases[i].Time = suite.File, junitTime(v.Duration/int64(len(suite.Cases)))
	}
	return suite
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
	s.Cases = append(s.Cases, c)
}

func junitClaim(class string, c results.ClaimResult, v *results.Verdict) junitCase {
	tc := junitCase{Name: "claim: " + plain(c.Claim), Classname: class, Line: c.Line}
	switch c.Answer {
	case results.Holds:
	case results.Violated:
		text := c.Detail
		for _, f := range examples(ownFindings(c, v.Findings), maxJUnitExamples) {
			text += fmt.Sprintf("\n%s: %s", f.Class, worded(v, f.Text))
			for i := range f.Evidence {
				text += "\n    " + worded(v, evidenceLine(&f.Evidence[i]))
			}
		}
		tc.Failure = &junitProblem{Message: plain(c.Detail), Type: "violated", Text: text}
	default:
		tc.Error = &junitProblem{Message: plain(c.Detail), Type: "unknown", Text: c.Detail}
	}
	return tc
}

const maxJUnitExamples = 5

// ownFindings are those that the claim's facts count.
func ownFindings(c results.ClaimResult, findings []results.Finding) []results.Finding {
	if c.Findings == nil {
		return findings // of an earlier version
	}
	var own []results.Finding
	for _, i := range c.Findings {
		if i >= 0 && i < len(findings) {
			own = append(own, findings[i])
		}
	}
	return own
}

// evidenceLine tells one operation in one line.
func evidenceLine(e *results.Evidence) string {
	var b strings.Builder
	b.WriteString(e.What)
	if e.Txn == "" { // a transaction names its keys itself
		b.WriteString(" key " + keyOf(e))
	}
	if value := evidenceValue(e); value != "" {
		fmt.Fprintf(&b, " %s", value)
	}
	if e.Node != "" {
		fmt.Fprintf(&b, " at %s", plain(e.Node))
	}
	fmt.Fprintf(&b, ", %s to %s, %s", units.Instant(e.Start), units.Instant(e.End), e.Outcome)
	if e.Error != "" {
		fmt.Fprintf(&b, " (%s)", e.Error)
	}
	switch {
	case e.Final && e.What == history.Drain.String():
		b.WriteString(", final")
	case e.Final:
		b.WriteString(", final read")
	}
	return b.String()
}

// keyOf is as the history spells it.
func keyOf(e *results.Evidence) string { return cmp.Or(plain(e.KeyName), fmt.Sprint(e.Key)) }

// evidenceValue tells what an operation wrote or saw.
func evidenceValue(e *results.Evidence) string {
	switch {
	case e.Txn != "":
		return e.Txn
	case e.Shown != "":
		return e.Shown
	case e.What == history.ReadSet.String() || e.What == history.Drain.String() || e.What == history.Balances.String():
		text := fmt.Sprint(e.Elements)
		if more := e.Size - len(e.Elements); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		if e.Value != nil {
			text += fmt.Sprintf(", unacknowledged %d", *e.Value)
		}
		return text
	case e.Nil:
		return "nothing"
	case e.Old != nil && e.Value != nil && e.Observed != nil:
		return fmt.Sprintf("%d → %d, found %d", *e.Old, *e.Value, *e.Observed)
	case e.Old != nil && e.Value != nil:
		return fmt.Sprintf("%d → %d", *e.Old, *e.Value)
	case e.Value != nil:
		return fmt.Sprint(*e.Value)
	}
	return ""
}
