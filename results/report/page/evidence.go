package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/say"
)

// firstShown is how many findings of each class are shown at once.
const firstShown = 3

// evidenceClass are the findings of one class, by when they happened.
type evidenceClass struct {
	Class checkers.Class
	Words say.ClassWords
	ID    string
	Count string // how many there are: "3,970 lost writes"
	First []*evidence
	Rest  []*evidence
	More  string // of how many there is nothing but their number; empty: of none
	Folds string // what the fold of Rest and More says
}

func (c *evidenceClass) all() []*evidence { return append(slices.Clone(c.First), c.Rest...) }

// evidence is one finding as it is shown.
type evidence struct {
	ID      string
	Number  int // of the class, from 1
	Finding *results.Finding
	Parts   []say.Part // its text
	Gap     string     // how stale, where that has a meaning
	Picture *picture
	Steps   []step // of a cycle of transactions
	Fault   string // the one that is most likely behind it
	Needed  string // the order that would be needed
	Drawing string // porcupine's view, a path from the report; empty: none
	Drawn   bool   // it is there
	Logs    []nodeLog
	At      string // when it happened, in words
	at      int64  // when it happened
}

// step is one transaction of a cycle.
type step struct {
	Name, Who, When, Edge string
	Txn, Why              []say.Part
	Closes                bool
}

// classesOf sorts the findings into classes, the gravest first. The finding of
// index decisive is left out, as it is shown with the isolation of transactions.
func classesOf(in *Input, decisive int) []*evidenceClass {
	v := in.Verdict
	index := map[checkers.Class]*evidenceClass{}
	var list []*evidenceClass
	kept := map[checkers.Class]int{}
	for i := range v.Findings {
		f := &v.Findings[i]
		kept[f.Class]++
		if i == decisive {
			continue
		}
		c := index[f.Class]
		if c == nil {
			c = &evidenceClass{Class: f.Class, Words: say.Class(f.Class)}
			index[f.Class] = c
			list = append(list, c)
		}
		c.Rest = append(c.Rest, evidenceOf(in, i))
	}
	slices.SortStableFunc(list, func(a, b *evidenceClass) int { return cmp.Compare(say.Gravity(a.Class), say.Gravity(b.Class)) })
	for n, c := range list {
		slices.SortStableFunc(c.Rest, func(a, b *evidence) int { return cmp.Compare(a.at, b.at) })
		c.ID = anchor(string(c.Class), n)
		for i, e := range c.Rest {
			e.Number, e.ID = i+1, fmt.Sprintf("%s-%d", c.ID, i+1)
		}
		c.First, c.Rest = c.Rest[:min(firstShown, len(c.Rest))], c.Rest[min(firstShown, len(c.Rest)):]
		c.count(v, kept[c.Class])
	}
	return list
}

// anchor is a name for links to a class, whatever the class is called.
func anchor(class string, n int) string {
	if class == "" || strings.IndexFunc(class, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	}) >= 0 {
		return fmt.Sprintf("e-class-%d", n+1)
	}
	return "e-" + class
}

// count tells how many findings of the class there are, and of how many nothing is kept.
func (c *evidenceClass) count(v *results.Verdict, kept int) {
	n, exact := say.CountOf(v, c.Class, kept)
	words := c.Words.Many
	if n == 1 {
		words = c.Words.One
	}
	c.Count = say.Number(float64(n)) + " " + words
	if !exact {
		c.Count = "At least " + c.Count
	}
	if shown := len(c.First) + len(c.Rest); n > shown {
		c.More = say.Number(float64(n - shown))
	}
	if more := n - len(c.First); more > 0 {
		c.Folds = "and " + say.Number(float64(more)) + " more"
	}
}

// evidenceOf makes what is shown of one finding.
func evidenceOf(in *Input, index int) *evidence {
	f := &in.Verdict.Findings[index]
	e := &evidence{Finding: f, Parts: say.Parts(f.Text, in.Verdict.Plan.Foreign), at: Happened(f), Needed: neededOf(f)}
	if f.Gap > 0 {
		e.Gap = say.Span(float64(f.Gap))
	}
	from, to := f.At, f.At
	for i := range f.Evidence {
		if op := &f.Evidence[i]; !op.Final {
			from, to = min(from, op.Start), max(to, op.End)
		}
	}
	fault := behindOf(in.Verdict.Faults, from, to, e.at)
	if fault != nil {
		e.Fault = faultLine(fault)
	}
	if f.Cycle != nil {
		e.Steps = stepsOf(in, f)
	}
	e.Picture = pictureOf(in, f, fault)
	if in.Drawing != nil {
		e.Drawing, e.Drawn = in.Drawing(index)
	}
	e.Logs, e.At = in.logsAround(e.at), units.Instant(e.at)
	return e
}

// Happened is when a finding happened: a loss when the lost write was acknowledged, and
// not when it was noticed.
func Happened(f *results.Finding) int64 {
	if !isLoss(f.Class) {
		return f.At
	}
	at := int64(-1)
	for i := range f.Evidence {
		if op := &f.Evidence[i]; !op.Final && op.Outcome == history.OK.String() && written[op.What] {
			at = max(at, op.End)
		}
	}
	if at < 0 {
		return f.At
	}
	return at
}

// written are the operations that change data, by their names.
var written = func() map[string]bool {
	names := map[string]bool{}
	for k := range history.Kinds {
		names[history.Kind(k).String()] = history.Kind(k).Writes()
	}
	return names
}()

// stepsOf are the transactions of a cycle.
func stepsOf(in *Input, f *results.Finding) []step {
	var steps []step
	for i, s := range f.Cycle {
		one := step{Name: s.Name, Edge: s.Edge, Why: say.Parts(s.Why, in.Verdict.Plan.Foreign), Closes: i == len(f.Cycle)-1}
		if s.Op >= 0 && s.Op < len(f.Evidence) {
			op := &f.Evidence[s.Op]
			one.Who, one.Txn = who(op), say.Parts(op.Txn, in.Verdict.Plan.Foreign)
			one.When = units.Instant(op.Start) + " to " + units.Instant(op.End)
		}
		steps = append(steps, one)
	}
	return steps
}

// needed is, by class, what would have to be so and what was seen instead.
var needed = map[checkers.Class]string{
	checkers.LostWrite:         "Needed: every read after the acknowledgement sees this write or a later one. The final reads see an earlier value.",
	checkers.LostElement:       "Needed: every read after the acknowledgement has the element. The final reads lack it.",
	checkers.LostMessage:       "Needed: the message is delivered, or still in the queue at the end. It is neither.",
	checkers.StaleRead:         "Needed: the read comes before the newer write. It began after that write had been acknowledged.",
	checkers.StaleSet:          "Needed: the read comes before the addition. It began after the addition had been acknowledged.",
	checkers.Phantom:           "Needed: somebody wrote the value. Nobody did.",
	checkers.PhantomElement:    "Needed: somebody appended the value. Nobody did.",
	checkers.Resurrected:       "Needed: what failed has no effect. It was seen.",
	checkers.Future:            "Needed: the write comes before the read that sees it. It began after the read had ended.",
	checkers.ReadYourWrites:    "Needed: the client's read comes after its own write. It saw what the write had replaced.",
	checkers.MonotonicRead:     "Needed: the client's later read sees no older value than its earlier one. It does.",
	checkers.MonotonicWrite:    "Needed: the client's writes show in its order. A node showed the earlier one after the later.",
	checkers.WriteAfterRead:    "Needed: what the client had read shows before what it then wrote. A node showed them the other way.",
	checkers.OrderFlip:         "Needed: one order of the two writes for all readers. Readers saw them in both.",
	checkers.NotLinear:         "Needed: one order of all operations in which each read sees the last write before it. For these there is none.",
	checkers.NotFIFO:           "Needed: messages leave in the order in which they came. For these there is no such order.",
	checkers.Duplicate:         "Needed: an element is in an answer once.",
	checkers.DuplicateMessage:  "Needed: after an acknowledged delivery the message is gone. It was delivered again.",
	checkers.UnexpectedMessage: "Needed: somebody sent the message. Nobody did, or the sending failed.",
	checkers.ReorderedMessage:  "Needed: the message that was sent first is delivered first. It was overtaken.",
	checkers.Flapping:          "Needed: an element that was read stays. It was absent in between.",
	checkers.Diverged:          "Needed: all settled nodes hold the same.",
	checkers.LostUpdate:        "Needed: one of the two updates sees the other. Both replaced the same version.",
	checkers.WrongTotal:        "Needed: the balances of one instant add up to what there was at first.",
	checkers.DuplicateID:       "Needed: a number is given out once.",
	checkers.OutOfBounds:       "Needed: the counter lies between what was certainly and what may have been added.",
}

func neededOf(f *results.Finding) string {
	if f.Cycle != nil {
		return "Needed: one order of the transactions. Each of these must precede the next, and the last the first."
	}
	return needed[f.Class]
}
