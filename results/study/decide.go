package study

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/results/compare"
)

// Answer is what the measurements say of one decision.
type Answer string

// The answers.
const (
	Measured Answer = "measured"                 // it is as expected
	Refuted  Answer = "does not hold here"       // it is certainly otherwise
	NoAnswer Answer = "no answer"                // what was measured allows both
	Machine  Answer = "the machine is the limit" // what was measured is the machine's doing
)

// busy is the share of the machine's processors' time from which on times and
// rates are the machine's and not the system's.
const busy = 0.9

// alpha is how often a difference may be found where there is none, in each
// decision by itself.
const alpha = 0.05

// Decision is a decision that was made.
type Decision struct {
	Says   string         `json:"says"`
	Answer Answer         `json:"answer"`
	Words  string         `json:"words"` // how much, and by which evidence
	Fact   string         `json:"fact,omitempty"`
	Claim  string         `json:"claim,omitempty"`
	Ratio  *compare.Range `json:"ratio,omitempty"`          // of the medians, to over from
	Bounds *compare.Range `json:"ratio_interval,omitempty"` // 95 %, of the ratio of a run of to and one of from
	P      *compare.Range `json:"p,omitempty"`
	Runs   []int          `json:"runs,omitempty"` // of from and to, or of the claim
}

// decide makes one decision of the variants' runs.
func decide(d question.Decision, kind string, all []measured) Decision {
	made := Decision{Says: d.Words(), Fact: d.Fact, Claim: d.Claim}
	if d.Claim != "" {
		made.often(d, kind, all)
		return made
	}
	from, to := pool(d, d.From, kind, all), pool(d, d.To, kind, all)
	made.Runs = []int{len(from.Runs), len(to.Runs)}
	if len(from.Runs) == 0 || len(to.Runs) == 0 {
		made.Answer, made.Words = NoAnswer, "there is no run with "+d.Across+"="+d.From
		if len(from.Runs) > 0 {
			made.Words = "there is no run with " + d.Across + "=" + d.To
		}
		return made
	}
	made.change(d, from, to)
	if depends(d.Fact) {
		made.blame(from, to)
	}
	return made
}

// pool are the runs that have a value of the decision's path.
func pool(d question.Decision, value, kind string, all []measured) compare.Group {
	g := compare.Group{Name: d.Across + "=" + value}
	for i := range all {
		m := &all[i]
		if m.setting(d.Across) != value || !d.Matches(m.setting) {
			continue
		}
		of := m.groups[kind]
		if kind == question.Limit {
			of = m.limit()
		}
		g.Runs = append(g.Runs, of.Runs...)
	}
	return g
}

// change decides how a fact changes from one group of runs to another.
func (made *Decision) change(d question.Decision, from, to compare.Group) {
	c := compare.Compare(from, to, compare.Options{Alpha: alpha, Facts: []string{d.Fact}})
	at := slices.IndexFunc(c.Rows, func(r compare.Row) bool { return r.Fact == d.Fact })
	if at < 0 {
		made.Answer, made.Words = NoAnswer, "no run measured "+d.Fact
		return
	}
	row := &c.Rows[at]
	made.Ratio = row.Ratio
	if b, ok := ratios(row.Base.Values, row.Head.Values); ok {
		made.Bounds = &b
	}
	t := tested{row: row, by: d.By / 100, bounds: made.Bounds, enough: enough(len(from.Runs), len(to.Runs))}
	if d.By == 0 {
		t.by = question.DefaultBy / 100
	}
	if d.Fact == question.MaxRate {
		t.searched()
	}
	var why string
	made.Answer, why = t.answer(d.Expect)
	made.P = row.P
	made.Words = made.evidence(d, row, why)
}

// tested is a comparison of which an answer is wanted.
type tested struct {
	row    *compare.Row
	by     float64        // share; what certainly differs by less is the same
	bounds *compare.Range // of the ratio; nil: not known
	enough bool           // a difference could be certain with so many runs

	certain bool // it differs; otherwise nobody can tell
	up      bool // to is the greater
	vague   bool // the bounds of the values allow both
	equal   bool // it is the same in all runs
}

// searched decides by the bounds of two searches, each of which confirmed its own.
func (t *tested) searched() {
	from, to := t.row.Base.Median, t.row.Head.Median
	t.enough = true
	t.certain, t.up = from.Most < to.Least || to.Most < from.Least, from.Most < to.Least
	t.row.P, t.row.Answer = nil, compare.NoAnswer
	t.bounds = t.row.Ratio
}

func (t *tested) look() {
	switch {
	case t.row.P != nil:
		t.certain = t.row.P.Most < alpha
		t.up = t.row.Biserial.Least > 0
		t.vague = !t.certain && t.row.P.Least < alpha
	case t.row.Answer == compare.Same:
		t.equal = true
	}
}

// within tells whether the ratio is certainly within what counts as the same.
func (t *tested) within() bool {
	if t.equal {
		return t.enough
	}
	return t.bounds != nil && t.bounds.Least >= 1/(1+t.by) && t.bounds.Most <= 1+t.by
}

// beyond tells whether it is certainly not.
func (t *tested) beyond() bool {
	return t.bounds == nil || t.bounds.Least > 1+t.by || t.bounds.Most < 1/(1+t.by)
}

func (t *tested) answer(expect string) (Answer, string) {
	t.look()
	switch {
	case expect == question.Same && t.within():
		return Measured, ""
	case expect == question.Same && t.certain && t.beyond():
		return Refuted, ""
	case expect == question.Same && t.certain:
		return NoAnswer, fmt.Sprintf("it differs, and nobody can tell whether by more than %s %%", units.Digits(100*t.by))
	case t.certain && (expect == question.Differs || t.up == (expect == question.Rises)):
		return Measured, ""
	case t.certain && expect != question.Same:
		return Refuted, ""
	case !t.enough:
		return NoAnswer, fmt.Sprintf("%d + %d runs are too few for a difference to be certain", len(t.row.Base.Values), len(t.row.Head.Values))
	case expect != question.Same && t.within():
		return Refuted, fmt.Sprintf("it certainly differs by less than %s %%", units.Digits(100*t.by))
	case t.row.Base.Unknown == len(t.row.Base.Values) || t.row.Head.Unknown == len(t.row.Head.Values):
		return NoAnswer, "it is unknown in all runs of one side"
	case t.vague:
		return NoAnswer, "what is known of the values allows both"
	}
	return NoAnswer, "the intervals overlap"
}

// evidence is "1.2ms → 2.9ms from target.replicas 0 to 2 (×2.4, 95 % interval 2.1
// to 2.7, 6 + 6 runs, p = 0.002)".
func (made *Decision) evidence(d question.Decision, row *compare.Row, why string) string {
	text := fmt.Sprintf("%s %s → %s from %s %s to %s", d.Fact, row.Base.Median.Format(row.Unit), row.Head.Median.Format(row.Unit), d.Across, d.From, d.To)
	if under := underWords(d); under != "" {
		text += " with " + under
	}
	var told []string
	if made.Ratio != nil {
		told = append(told, "×"+rangeWords(*made.Ratio))
	}
	switch {
	case d.Fact == question.MaxRate:
		told = append(told, "by the bounds of two searches")
	default:
		if made.Bounds != nil {
			told = append(told, "95 % interval "+digits(made.Bounds.Least)+" to "+digits(made.Bounds.Most))
		}
		told = append(told, fmt.Sprintf("%d + %d runs", made.Runs[0], made.Runs[1]))
		if made.P != nil {
			told = append(told, "p = "+rangeWords(*made.P))
		}
	}
	text += " (" + strings.Join(told, ", ") + ")"
	if why != "" {
		text = why + ": " + text
	}
	return text
}

func underWords(d question.Decision) string {
	var all []string
	for path, value := range d.Under {
		all = append(all, path+"="+value)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// depends tells whether a busy machine changes a fact: times and rates, but not
// what was lost, what the work cost, or outages, which are as long as time-outs are.
func depends(fact string) bool {
	if fact == question.MaxRate {
		return true
	}
	for _, outage := range []string{"availability.", "failover.", "rto.", "rpo.", "recovery.", "redundancy."} {
		if strings.HasPrefix(fact, outage) {
			return false
		}
	}
	if fact == "reads.ok" || fact == "ops.ok" || fact == "writes.acked" { // how many were answered in the time
		return true
	}
	known, _ := claims.LookupFact(fact)
	return !strings.HasPrefix(fact, "cost.") && (known.Unit == checkers.Nanos || known.Unit == checkers.PerSec || fact == "lag.slope" || strings.HasPrefix(fact, "errors."))
}

// blame says that it is the machine's doing, where that was busy.
func (made *Decision) blame(groups ...compare.Group) {
	for _, g := range groups {
		s, ok := compare.SummaryOf(g, BusyFact)
		if !ok || (s.Median.Least+s.Median.Most)/2 < busy {
			continue
		}
		others := ""
		if o, ok := compare.SummaryOf(g, "machine.cpu.others"); ok && o.Median.Least >= 0.1 {
			others = fmt.Sprintf(", at least %.0f %% by others", 100*o.Median.Least)
		}
		share := fmt.Sprintf("%.0f %%", 100*s.Median.Least)
		if !s.Median.Exact() {
			share = fmt.Sprintf("%.0f %% to %.0f %%", 100*s.Median.Least, 100*s.Median.Most)
		}
		if made.Answer == NoAnswer { // for whatever reason; it stays so
			made.Words += fmt.Sprintf("; the machine's processors were %s busy with %s%s", share, g.Name, others)
			return
		}
		made.Answer = Machine
		made.Words = fmt.Sprintf("its processors were %s busy with %s%s; there %s", share, g.Name, others, made.Words)
		return
	}
}

// often decides how often a claim is true of the runs.
func (made *Decision) often(d question.Decision, kind string, all []measured) {
	var runs []*results.Verdict
	for i := range all {
		if all[i].variant != nil && d.Matches(all[i].setting) {
			runs = append(runs, all[i].groups[kind].Runs...)
		}
	}
	counts := map[results.Answer]int{}
	var unknown string
	for _, run := range runs {
		r := run.Answer(d.Claim)
		counts[r.Answer]++
		if r.Answer == results.Unproven {
			unknown = r.Detail
		}
	}
	n, yes, no := len(runs), counts[results.Holds], counts[results.Violated]
	made.Runs = []int{n}
	where := ""
	if under := underWords(d); under != "" {
		where = " with " + under
	}
	switch {
	case n == 0:
		made.Answer, made.Words = NoAnswer, "there is no run"+where
		return
	case d.Expect == question.Always && yes == n, d.Expect == question.Sometimes && yes > 0:
		made.Answer = Measured
	case d.Expect == question.Always && no > 0, no == n:
		made.Answer = Refuted
	default:
		made.Answer = NoAnswer
	}
	made.Words = fmt.Sprintf("%s in %d of %s%s", d.Claim, yes, units.Plural(n, "run", "runs"), where)
	if values := quantities(d, runs); values != "" {
		made.Words += " (" + values + ")"
	}
	if made.Answer == NoAnswer && unknown != "" {
		made.Words += "; unknown in others: " + unknown
	}
	if slices.ContainsFunc(d.Facts(), depends) {
		made.blame(compare.Group{Name: strings.TrimSpace("these runs" + where), Runs: runs})
	}
}

// quantities are the facts of a claim over the runs: "writes.lost: median 312, 290
// to 340".
func quantities(d question.Decision, runs []*results.Verdict) string {
	var all []string
	for _, fact := range d.Facts() {
		s, ok := compare.SummaryOf(compare.Group{Runs: runs}, fact)
		if !ok || s.Unit == checkers.Boolean || s.Unknown == len(s.Values) {
			continue
		}
		text := fact + " " + s.Median.Format(s.Unit)
		least, most := math.Inf(1), math.Inf(-1)
		for _, v := range s.Values {
			if !math.IsInf(v.Least, -1) || !math.IsInf(v.Most, 1) {
				least, most = min(least, v.Least), max(most, v.Most)
			}
		}
		if span := (compare.Range{Least: least, Most: most}); span != s.Median {
			text = fact + ": median " + s.Median.Format(s.Unit) + ", all " + span.Format(s.Unit)
		}
		if s.Unknown > 0 {
			text += fmt.Sprintf(", unknown in %d", s.Unknown)
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

func rangeWords(r compare.Range) string {
	if low, high := digits(r.Least), digits(r.Most); low != high {
		return low + " to " + high
	}
	return digits(r.Least)
}

func digits(n float64) string {
	if math.IsInf(n, 0) || math.IsNaN(n) {
		return "?"
	}
	return fmt.Sprintf("%.3g", n)
}
