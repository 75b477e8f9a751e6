package kit

import "github.com/aftershock-chaos/aftershock/checkers"

// Errors counts errors among operations.
type Errors struct {
	errors, all   int   // of those whose times are sure
	doubtedErrors int   // of those that waited or were under way while the harness or a node did not run as it should
	doubted       int   // all of them
	Unsent        int64 // never sent
}

// Add takes an operation; doubted says that its times are in doubt.
func (c *Errors) Add(failed, doubted bool) {
	errors, all := &c.errors, &c.all
	if doubted {
		errors, all = &c.doubtedErrors, &c.doubted
	}
	*all++
	if failed {
		*errors++
	}
}

// Sent is how many operations there were.
func (c *Errors) Sent() int { return c.all + c.doubted }

// Value is the share of errors. It is least if nothing failed that is in doubt or
// was never sent, and greatest if all of it did that may have; what is in doubt may
// be left out, too.
func (c *Errors) Value(name, why string) checkers.Value {
	const none = "there was no such operation"
	if c.doubted == 0 && c.Unsent == 0 || c.Sent() == 0 {
		return Ratio(name, c.errors, c.all, none)
	}
	errors, all, unsent := float64(c.errors), float64(c.all), float64(c.Unsent)
	whole := all + float64(c.doubted) + unsent
	most := (errors + float64(c.doubtedErrors) + unsent) / whole
	if c.all > 0 {
		most = max(most, (errors+unsent)/(all+unsent))
	}
	return Between(name, errors/whole, most, why)
}

// DoubtedErrors are the errors among those whose times are in doubt.
func (c *Errors) DoubtedErrors() int { return c.doubtedErrors }
