package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
)

// classes counts a verdict's findings by class.
func classes(v *results.Verdict) map[checkers.Class]int {
	found := map[checkers.Class]int{}
	for i := range v.Findings {
		found[v.Findings[i].Class]++
	}
	for class := range found {
		total := 0
		for i := range v.Values {
			if value := &v.Values[i]; value.Known && slices.Contains(counts[class], value.Name) {
				total += int(value.N)
			}
		}
		found[class] = max(found[class], total)
	}
	return found
}

// missed says why a run with the defect did not find it as what it is: each
// claim of its plan has to be violated, and each required class to be found.
func (e *expectation) missed(v *results.Verdict) (why []string) {
	for i := range v.Claims {
		if c := &v.Claims[i]; c.Answer != results.Violated {
			why = append(why, fmt.Sprintf("the claim %s is %s: %s", c.Claim, c.Answer, c.Detail))
		}
	}
	if len(v.Claims) == 0 {
		why = append(why, "the plan claims nothing")
	}
	found := classes(v)
	for _, class := range e.must {
		if found[class] == 0 {
			why = append(why, fmt.Sprintf("no %s was found", class))
		}
	}
	return why
}

// accused says which classes a run found that it cannot have: the defect does
// not cause them or, in a run without it, the store does not show them.
func (e *expectation) accused(v *results.Verdict, sound bool) (why []string) {
	can := e.anyway
	if !sound {
		can = slices.Concat(e.must, e.may, e.anyway)
	}
	told := map[checkers.Class]bool{}
	for i := range v.Findings {
		if f := &v.Findings[i]; !slices.Contains(can, f.Class) && !told[f.Class] {
			told[f.Class] = true
			why = append(why, fmt.Sprintf("%s cannot be: %s", f.Class, f.Text))
		}
	}
	return why
}

// tally is what the runs of one plan found.
type tally struct {
	runs, right int
	found       map[checkers.Class][]int // counts, of the runs that found the class
}

func (t *tally) add(v *results.Verdict) {
	for class, n := range classes(v) {
		t.found[class] = append(t.found[class], n)
	}
}

// row is a row of the table: first the required classes, then the others.
func (t *tally) row(plan string, must []checkers.Class) string {
	var besides []checkers.Class
	for class := range t.found {
		if !slices.Contains(must, class) {
			besides = append(besides, class)
		}
	}
	slices.Sort(besides)
	return fmt.Sprintf("| `%s` | %d of %d | %s | %s |", plan, t.right, t.runs, t.list(must), t.list(besides))
}

// list tells each class with the least and the greatest count of the runs that
// found it, and how many these were if not all.
func (t *tally) list(all []checkers.Class) string {
	told := make([]string, len(all))
	for i, class := range all {
		found := t.found[class]
		if len(found) == 0 {
			told[i] = "no " + string(class)
			continue
		}
		least, most := slices.Min(found), slices.Max(found)
		told[i] = fmt.Sprintf("%s %d", class, least)
		if most > least {
			told[i] += fmt.Sprintf("–%d", most)
		}
		if len(found) < t.runs {
			told[i] += fmt.Sprintf(" (in %d)", len(found))
		}
	}
	return strings.Join(told, ", ")
}
