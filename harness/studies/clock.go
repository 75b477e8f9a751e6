package studies

import (
	"math"
	"time"

	"github.com/aftershock-chaos/aftershock/harness/series"
)

// clock knows how long a study will take, about: what its plans ask for, and
// around each run as much as the runs so far took longer than that.
type clock struct {
	stages []stage
	made   int           // runs that ended
	over   time.Duration // that they took longer than their load, in all
	begun  time.Time     // of the run that goes on
}

// stage is runs of one plan that are to come.
type stage struct {
	plan string
	runs int
	load time.Duration // of each
}

// firstOverhead is what a run takes besides its load, before there was one:
// launching, settling and judging.
const firstOverhead = 3 * time.Second

// longRun is how many times as long the run is that confirms a limit.
const longRun = 3

func (c *clock) expect(p part) {
	load := p.plan.Warmup + p.plan.Duration
	runs := p.plan.Rounds() * len(p.cells)
	if p.plan.Study.At > 0 {
		each := 1
		if len(p.plan.Faults) > 0 {
			each++
		}
		find := p.plan.Find.Filled()
		// By doubling, half of the way on average; by halving, where every other rate
		// fails and is tried again; three long runs, as rates next to the limit fail there.
		doubling := math.Log2(find.To/find.From) / 2
		halving := math.Log2(math.Ln2 / math.Log1p(find.Within/100))
		search := int(math.Ceil(doubling)+math.Ceil(1.5*halving)) + 3*longRun
		length := load
		if p.plan.Study.Search > 0 {
			length = p.plan.Warmup + p.plan.Study.Search
		}
		c.stages = append(c.stages, stage{plan: p.plan.Name, runs: len(p.cells) * search, load: length})
		runs = len(p.cells) * each * max(1, p.plan.Study.Runs)
	}
	c.stages = append(c.stages, stage{plan: p.plan.Name, runs: runs, load: load})
}

// runs are those to come.
func (c *clock) runs() (n int) {
	for _, s := range c.stages {
		n += s.runs
	}
	return n
}

// left is the time until the end, about.
func (c *clock) left() (left time.Duration) {
	over := firstOverhead
	if c.made > 0 {
		over = c.over / time.Duration(c.made)
	}
	for _, s := range c.stages {
		left += time.Duration(s.runs) * (s.load + over)
	}
	return left
}

// note takes in that a run began or ended. Runs that nobody foresaw are in no stage.
func (c *clock) note(plan string, m series.Moment) {
	if !m.Ended {
		c.begun = time.Now()
		return
	}
	load := m.Cell.Plan.Warmup + m.Cell.Plan.Duration
	c.made++
	c.over += max(time.Since(c.begun)-load, 0)
	for i := range c.stages {
		if s := &c.stages[i]; s.plan == plan && s.runs > 0 {
			s.runs--
			return
		}
	}
}

// done says that a plan has no more runs, however many were expected.
func (c *clock) done(plan string) {
	for i := range c.stages {
		if c.stages[i].plan == plan {
			c.stages[i].runs = 0
		}
	}
}
