package results

import (
	"fmt"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Control is what became of a plan's negative control: runs of the same plan
// with other values, made until all of some claims were violated. It tells
// whether the plan can fail, without which a pass means nothing.
type Control struct {
	Set      []Setting `json:"set,omitempty"` // what the control has otherwise
	Violates []string  `json:"violates"`      // the claims that have to be violated
	Tries    int       `json:"tries"`         // runs that were made; 0: none, see Why
	Violated int       `json:"violated"`      // of them, those in which all were: 0 or 1, as it ends them
	Detail   string    `json:"detail,omitempty"`
	Run      string    `json:"run,omitempty"` // the last one's run directory
	Made     time.Time `json:"made,omitzero"`
	Kept     bool      `json:"kept,omitempty"` // made for an earlier run of the same plan
	Why      string    `json:"why,omitempty"`  // why none was made
}

// CouldFail tells whether the control was violated.
func (c *Control) CouldFail() bool { return c != nil && c.Violated > 0 }

// With is what the control has otherwise, in words.
func (c *Control) With() string {
	if len(c.Set) == 0 {
		return "with the same values"
	}
	set := make([]string, len(c.Set))
	for i, s := range c.Set {
		set[i] = s.Path + "=" + s.Value
	}
	return "with " + strings.Join(set, " ")
}

// Words tell what the control showed.
func (c *Control) Words() string {
	switch {
	case c.Tries == 0:
		return "nothing shows that it could fail: " + c.Why
	case c.CouldFail():
		words := fmt.Sprintf("could fail: %s %s (%d of %s", c.With(), c.Detail, c.Violated, units.Plural(c.Tries, "run", "runs"))
		if c.Kept {
			words += " on " + c.Made.Format(time.DateOnly)
		}
		return words + ")"
	}
	return fmt.Sprintf("%d of %s %s violated %s; the last: %s",
		c.Violated, units.Plural(c.Tries, "run", "runs"), c.With(), strings.Join(c.Violates, " and "), c.Detail)
}

// gate is not met when a control was made and nothing could be made to fail: a
// pass of the plan then means nothing.
func (c *Control) gate() Gate {
	g := Gate{Name: "negative control", Met: c.CouldFail(), Detail: c.Words()}
	if !g.Met {
		g.Detail += "; make the faults or the load of the plan heavier, or set more in its control"
	}
	return g
}
