package results

import "github.com/aftershock-chaos/aftershock/history"

// Course is how many operations of the load were acknowledged, and how many ended
// otherwise, in each of equal parts of a run: enough for a small picture of it.
type Course struct {
	Step  int64 `json:"step_ns"` // the length of each part, the first of which begins with the run's clock
	Acked []int `json:"acknowledged"`
	Other []int `json:"other"` // failed, or unknown
}

// courseParts are the parts of a Course.
const courseParts = 60

// newCourse is of a run that ends at last; nil if it has no length.
func newCourse(last int64) *Course {
	if last < courseParts {
		return nil
	}
	return &Course{Step: last/courseParts + 1, Acked: make([]int, courseParts), Other: make([]int, courseParts)}
}

// add counts an operation of the load where it ended.
func (c *Course) add(op *history.Op) {
	if c == nil || op.End < 0 || op.Final() || op.Flags&history.Part != 0 {
		return
	}
	part := min(op.End/c.Step, courseParts-1)
	if op.Outcome == history.OK {
		c.Acked[part]++
	} else {
		c.Other[part]++
	}
}
