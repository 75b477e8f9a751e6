// Package claims reads and evaluates the expressions over facts that a plan
// asserts, in three-valued logic, and knows the facts that can be named.
package claims

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/aftershock-chaos/aftershock/checkers"
)

// maxClaim bounds a claim's length, and with it the depth of its expression.
const maxClaim = 1000

// Claim is a parsed claim: an expression over facts that is true, false or
// unknown. The language is expr's, cut down to numbers, durations such as
// 500ms, facts, true and false, comparison, arithmetic, and, or, not and
// parentheses. A fact whose name has other signs than letters, digits, dots and
// underscores is written with an index: lag["node-1"].p99.
type Claim struct {
	text  string
	root  *term
	facts []string // in order of appearance
}

// ClaimError tells what is wrong with a claim and where.
type ClaimError struct {
	Claim   string
	Column  int // in characters, from 1
	Message string
}

func (e *ClaimError) Error() string {
	return fmt.Sprintf("claim %q, column %d: %s", e.Claim, e.Column, e.Message)
}

// ParseClaim reads a claim. Its errors are *ClaimError. Facts that no run can
// have are accepted here; see KnownFact.
func ParseClaim(text string) (*Claim, error) {
	if len(text) > maxClaim {
		return nil, &ClaimError{Claim: text[:60] + "…", Column: 1, Message: fmt.Sprintf("longer than %d bytes; split it into several claims", maxClaim)}
	}
	fail := func(offset int, message string) error {
		return &ClaimError{Claim: text, Column: offset + 1, Message: message}
	}
	tree, durations, err := parseExpr(text)
	if err != nil {
		return nil, fail(err.offset, err.message)
	}
	p := &claimParser{facts: Facts(), durations: durations, known: map[string]bool{}}
	root, err := p.term(tree)
	if err != nil {
		return nil, fail(err.offset, err.message)
	}
	if root.dim != boolean && root.dim != anyDim {
		return nil, fail(root.offset, "a claim must be true or false; compare it with something, such as < 100ms or == 0")
	}
	return &Claim{text: text, root: root, facts: p.names}, nil
}

// String is the claim as it was written.
func (c *Claim) String() string { return c.text }

// Facts lists the facts that the claim names, in order of appearance.
func (c *Claim) Facts() []string { return slices.Clone(c.facts) }

// Constant tells the answer of a claim that has the same one whatever is measured, also
// where nothing is: it names no fact, or has one side that decides without, as
// `linearizable || true`. `writes.lost >= 0` is none of them: it holds where the count is
// known.
func (c *Claim) Constant() (answer checkers.Truth, constant bool) {
	answer, _ = c.Evaluate(nil)
	return answer, answer != checkers.Unknown
}

// Limits lists the lengths of time that the claim compares facts with of which
// about says yes.
func (c *Claim) Limits(about func(fact string) bool) []float64 {
	var limits []float64
	var walk func(t *term, inside bool) (found bool)
	walk = func(t *term, inside bool) bool {
		if t == nil {
			return false
		}
		if inside && t.op == "const" && t.dim == duration {
			limits = append(limits, t.n)
		}
		found := t.op == "fact" && about(t.name)
		left, right := walk(t.left, inside), walk(t.right, inside)
		if found = found || left || right; found && !inside && t.dim == boolean && t.op != "and" && t.op != "or" && t.op != "not" {
			walk(t, true)
			return false
		}
		return found
	}
	walk(c.root, false)
	return limits
}

// Evaluate judges the claim over measured values, indexed by name, in Kleene's
// strong three-valued logic: what compares with an unknown value is unknown,
// `false and unknown` is false, `true or unknown` is true. The detail tells the
// values of all facts named.
func (c *Claim) Evaluate(values map[string]checkers.Value) (checkers.Truth, string) {
	e := evaluator{values: values}
	result := e.eval(c.root)
	details := make([]string, 0, len(c.facts)+1)
	for _, name := range c.facts {
		details = append(details, describe(name, values))
	}
	if e.note != "" {
		details = append(details, e.note)
	}
	detail := strings.Join(details, "; ")
	switch {
	case !result.known:
		return checkers.Unknown, detail
	case result.lo != 0:
		return checkers.True, detail
	}
	return checkers.False, detail
}

// describe tells one fact's value in words.
func describe(name string, values map[string]checkers.Value) string {
	v, ok := values[name]
	if !ok {
		return name + " was not measured in this run"
	}
	if !v.Known {
		if v.Why == "" {
			return name + " is unknown"
		}
		return fmt.Sprintf("%s is unknown: %s", name, v.Why)
	}
	fact, _ := LookupFact(name)
	least, most := v.Bounds()
	switch {
	case least == most:
		return fmt.Sprintf("%s = %s", name, v.Format(fact.Unit))
	case v.Why != "":
		return fmt.Sprintf("%s is %s: %s", name, v.Format(fact.Unit), strings.TrimPrefix(v.Why, "at least; "))
	}
	return fmt.Sprintf("%s is %s", name, v.Format(fact.Unit))
}

// cell3 is a number or a truth (1 or 0), known or not. A number that is not
// known exactly lies between lo and hi.
type cell3 struct {
	lo, hi float64
	known  bool
}

func point(n float64) cell3 { return cell3{n, n, true} }

func (c cell3) exact() bool { return c.lo == c.hi }

type evaluator struct {
	values map[string]checkers.Value
	note   string
}

func (e *evaluator) eval(t *term) cell3 {
	switch t.op {
	case "const":
		return point(t.n)
	case "fact":
		v, ok := e.values[t.name]
		if !ok || !v.Known || math.IsNaN(v.N) {
			return cell3{}
		}
		least, most := v.Bounds()
		return cell3{least, most, true}
	case "not":
		a := e.eval(t.left)
		return cell3{truth(a.lo == 0), truth(a.lo == 0), a.known && a.exact()}
	case "neg":
		a := e.eval(t.left)
		return cell3{-a.hi, -a.lo, a.known}
	}
	a, b := e.eval(t.left), e.eval(t.right)
	switch t.op {
	case "and":
		return kleene(a, b, 0)
	case "or":
		return kleene(a, b, 1)
	}
	if !a.known || !b.known {
		return cell3{}
	}
	if a.exact() && b.exact() {
		return e.binary(t.op, a.lo, b.lo)
	}
	return bounded(t.op, a, b)
}

// kleene combines two truths of which one alone decides when it is `decides`.
func kleene(a, b cell3, decides float64) cell3 {
	switch {
	case a.known && truth(a.lo != 0) == decides, b.known && truth(b.lo != 0) == decides:
		return point(decides)
	case a.known && b.known:
		return point(1 - decides)
	}
	return cell3{}
}

// bounded decides a comparison of numbers of which only bounds are known, where
// the bounds suffice. Sums, differences, products and quotients have bounds
// themselves (interval arithmetic: Moore, 1966); anything else is unknown.
func bounded(op string, a, b cell3) cell3 {
	switch op {
	case "+":
		return cell3{a.lo + b.lo, a.hi + b.hi, true}
	case "-":
		if diff := (cell3{a.lo - b.hi, a.hi - b.lo, true}); !math.IsNaN(diff.lo) && !math.IsNaN(diff.hi) {
			return diff
		}
		return cell3{}
	case "*":
		return spread(a.lo*b.lo, a.lo*b.hi, a.hi*b.lo, a.hi*b.hi)
	case "/":
		if b.lo > 0 || b.hi < 0 {
			return spread(a.lo/b.lo, a.lo/b.hi, a.hi/b.lo, a.hi/b.hi)
		}
		return cell3{}
	case "<", ">=":
		return ordered(op == "<", a.hi < b.lo, a.lo >= b.hi)
	case ">", "<=":
		return ordered(op == ">", a.lo > b.hi, a.hi <= b.lo)
	case "==", "!=":
		apart := a.hi < b.lo || a.lo > b.hi
		return ordered(op == "!=", apart, false)
	}
	return cell3{}
}

// spread is the interval from the least to the greatest of some ends; unknown
// if one of them is no number, such as zero times infinity.
func spread(ends ...float64) cell3 {
	if slices.ContainsFunc(ends, math.IsNaN) {
		return cell3{}
	}
	return cell3{slices.Min(ends), slices.Max(ends), true}
}

// ordered is the truth of a comparison, or of its opposite, that is certainly
// true, certainly false, or neither.
func ordered(asked, yes, no bool) cell3 {
	switch {
	case yes:
		return point(truth(asked))
	case no:
		return point(truth(!asked))
	}
	return cell3{}
}

func (e *evaluator) binary(op string, a, b float64) cell3 {
	if (op == "/" || op == "%") && b == 0 {
		e.note = "it divides by zero"
		return cell3{}
	}
	var n float64
	switch op {
	case "+":
		n = a + b
	case "-":
		n = a - b
	case "*":
		n = a * b
	case "/":
		n = a / b
	case "%":
		n = math.Mod(a, b)
	case "==":
		n = truth(a == b)
	case "!=":
		n = truth(a != b)
	case "<":
		n = truth(a < b)
	case "<=":
		n = truth(a <= b)
	case ">":
		n = truth(a > b)
	case ">=":
		n = truth(a >= b)
	}
	if math.IsNaN(n) {
		e.note = "it has no numeric value"
		return cell3{}
	}
	return point(n)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// memberName flattens a.b["c"].d into the fact's name and where it begins.
func memberName(n ast.Node) (name string, offset int, ok bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value, n.Location().From, true
	case *ast.MemberNode:
		property, isName := n.Property.(*ast.StringNode)
		name, offset, ok = memberName(n.Node)
		if !isName || !ok || n.Optional {
			return "", offset, false
		}
		return name + "." + property.Value, offset, true
	}
	return "", n.Location().From, false
}
