package set

import (
	"math/bits"
	"sort"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
)

// readChain follows the reads of one node, or of one process, in order of start,
// by what each has that the one before has not, and the other way round. In a
// chain an element has runs, which are stretches of reads that all have it.
// Places are indexes into reads.
type readChain struct {
	*elements
	reads   []int32 // by number
	states  []runState
	touched []int32   // elements of some run
	present int       // elements of the read followed last
	runs    []showing // all that have ended
	gaps    []gap     // between two runs of an element
	ends    rangeMin

	marks    []int32 // by element: 1 + the place of the read that was asked about it last
	replaced bool    // the read followed last was followed element by element
	repeated []int32 // elements that it has more than once, if so

	removed, added []int64 // scratch
	changed        []int32
}

// runState is where an element stands while a chain is followed.
type runState struct {
	count   int32 // how often the read followed last has it
	open    int32 // 1 + the place where its run began; 0: it is in none
	closed  int32 // 1 + the last place of its run before; 0: there is none
	before  int32 // 1 + the place of the read of the least end of its runs that have ended
	touched bool
	flapped bool
}

// showing is a run of an element: places from first to last.
type showing struct{ element, first, last int32 }

// gap is a stretch of reads that lack an element that those around it have.
// before is the read of the least end among those of the runs before.
type gap struct{ element, first, last, before int32 }

// reset makes a chain follow other reads.
func (c *readChain) reset(reads []int32) {
	for _, i := range c.touched {
		c.states[i], c.marks[i] = runState{}, 0
	}
	c.replaced, c.repeated = false, c.repeated[:0]
	c.reads, c.touched, c.present, c.runs, c.gaps = reads, c.touched[:0], 0, c.runs[:0], c.gaps[:0]
}

func (c *readChain) start(place int32) int64 { return c.elements.reads[c.reads[place]].start }

func (c *readChain) end(place int32) int64 { return c.elements.reads[c.reads[place]].end }

func (c *readChain) position(place int32) int32 { return c.elements.reads[c.reads[place]].position }

// follow finds the runs and gaps of every element.
func (c *readChain) follow() {
	ends := make([]int64, len(c.reads))
	for n := range c.reads {
		ends[n] = c.end(int32(n))
	}
	c.ends = newRangeMin(ends)
	c.grow()
	var before []int64
	for n := range int32(len(c.reads)) {
		answer := c.op(c.position(n)).Elements
		var similar bool
		c.removed, c.added, similar = difference(before, answer, c.removed[:0], c.added[:0])
		if similar {
			c.change(n)
		} else {
			c.replace(n, answer)
		}
		before = answer
	}
	for _, i := range c.touched {
		if s := &c.states[i]; s.open > 0 {
			c.runs = append(c.runs, showing{i, s.open - 1, int32(len(c.reads)) - 1})
			s.closed = int32(len(c.reads))
		}
	}
}

func (c *readChain) grow() {
	if n := len(c.all) - len(c.states); n > 0 {
		c.states, c.marks = append(c.states, make([]runState, n)...), append(c.marks, make([]int32, n)...)
	}
}

func (c *readChain) state(v int64) (*runState, int32) {
	i, known := c.find(v)
	if !known {
		c.grow()
	}
	return &c.states[i], i
}

// Change follows a read by its difference from the one before.
func (c *readChain) change(n int32) {
	c.changed, c.replaced = c.changed[:0], false
	note := func(v int64, by int32) {
		s, i := c.state(v)
		if c.marks[i] != n+1 {
			c.marks[i] = n + 1
			c.changed = append(c.changed, i)
		}
		s.count += by
	}
	for _, v := range c.removed {
		note(v, -1)
	}
	for _, v := range c.added {
		note(v, 1)
	}
	for _, i := range c.changed {
		s := &c.states[i]
		switch {
		case s.count > 0 && s.open == 0:
			c.appear(s, i, n)
		case s.count == 0 && s.open > 0:
			c.vanish(s, i, n)
		}
		if s.count > 1 {
			c.double(i, n)
		}
	}
}

// replace follows a read element by element. After another such read the marks
// tell what is still there, which are small and so near at hand.
func (c *readChain) replace(n int32, answer []int64) {
	was, stayed, after := c.present, 0, n
	if !c.replaced {
		after = kit.None
	}
	for _, i := range c.repeated {
		c.states[i].count = min(c.states[i].count, 1)
	}
	c.repeated, c.replaced = c.repeated[:0], true
	for _, v := range answer {
		i, known := c.find(v)
		if !known {
			c.grow()
		}
		switch before := c.marks[i]; {
		case before == n+1:
			c.states[i].count++
			c.repeated = append(c.repeated, i)
			c.double(i, n)
			continue
		case before == after:
			stayed++
		case c.states[i].open > 0:
			c.states[i].count = 1
			stayed++
		default:
			c.states[i].count = 1
			c.appear(&c.states[i], i, n)
		}
		c.marks[i] = n + 1
	}
	if stayed == was {
		return
	}
	for _, i := range c.touched {
		if s := &c.states[i]; s.open > 0 && c.marks[i] != n+1 {
			s.count = 0
			c.vanish(s, i, n)
		}
	}
}

func (c *readChain) appear(s *runState, i, n int32) {
	if s.closed > 0 {
		c.gaps = append(c.gaps, gap{i, s.closed, n - 1, s.before - 1})
	}
	s.open = n + 1
	c.present++
	if !s.touched {
		s.touched = true
		c.touched = append(c.touched, i)
	}
}

func (c *readChain) vanish(s *runState, i, n int32) {
	c.runs = append(c.runs, showing{i, s.open - 1, n - 1})
	if least := c.ends.at(s.open-1, n-1); s.before == 0 || c.end(least) < c.end(s.before-1) {
		s.before = least + 1
	}
	s.open, s.closed = 0, n
	c.present--
}

func (c *readChain) double(i, n int32) {
	if e, p := &c.all[i], c.position(n); e.doubled == kit.None || p < e.doubled {
		e.doubled = p
	}
}

// sum takes into the elements what the reads of a node tell of them.
func (c *readChain) sum() {
	for _, r := range c.runs {
		e := &c.all[r.element]
		if p := c.position(r.first); e.seenBy == kit.None || p < e.seenBy {
			e.seenBy = p
		}
		least := c.ends.at(r.first, r.last)
		if e.ended == kit.None || c.end(least) < kit.Until(c.op(e.ended)) {
			e.ended = c.position(least)
		}
		start, end := c.start(r.last), c.end(r.last)
		for n := r.last; n >= r.first && c.start(n) == start; n-- {
			end = max(end, c.end(n))
		}
		if start > e.last || start == e.last && end > e.lastEnd {
			e.last, e.lastEnd = start, end
		}
	}
}

// lacking counts, of each read, the elements that it lacks and that are due,
// and takes into the elements which read lacked them last. All nodes' chains
// must have been summed.
func (c *readChain) lacking() []int32 {
	count := make([]int32, len(c.reads)+1)
	lack := func(e *element, first, last int32) { // places of reads without it
		if first > last || !e.judged() || e.ack >= e.last {
			return
		}
		begin := sort.Search(int(last+1-first), func(n int) bool { return c.start(first+int32(n)) > e.ack })
		end := sort.Search(int(last+1-first), func(n int) bool { return c.start(first+int32(n)) >= e.last })
		if begin < end {
			count[first+int32(begin)]++
			count[first+int32(end)]--
		}
	}
	c.grow()
	final := int32(len(c.reads)) - 1
	lead := make([]int32, len(c.all)) // the place of the first read that has it
	for i := range lead {
		lead[i] = final + 1
	}
	for _, r := range c.runs {
		lead[r.element] = min(lead[r.element], r.first)
	}
	for i := range c.all {
		e, s := &c.all[i], &c.states[i]
		lack(e, 0, lead[i]-1)
		if lead[i] <= final {
			lack(e, s.closed, final)
		}
		switch {
		case s.open == 0:
			e.absent = max(e.absent, c.start(final))
		case s.open > 1:
			e.absent = max(e.absent, c.start(s.open-2))
		}
	}
	for _, g := range c.gaps {
		lack(&c.all[g.element], g.first, g.last)
	}
	for n := range c.reads {
		count[n+1] += count[n]
	}
	return count[:len(c.reads)]
}

// flap marks the elements that these reads had, then lacked, then had again,
// one after the other, and counts them. What was lacked lies in a gap: of a
// gap's reads that began after some read before had ended, it takes the one
// that ended first, and asks whether it ended before the last run's last read
// began.
func (c *readChain) flap(byNode bool) int {
	flapped := 0
	for _, g := range c.gaps {
		s := &c.states[g.element]
		if s.flapped {
			continue
		}
		last := s.closed - 1
		first := g.first + int32(sort.Search(int(g.last+1-g.first), func(n int) bool { return c.start(g.first+int32(n)) > c.end(g.before) }))
		if first > g.last {
			continue
		}
		if without := c.ends.at(first, g.last); c.end(without) < c.start(last) {
			s.flapped = true
			flapped++
			c.showFlap(g.element, byNode, [3]int32{c.position(g.before), c.position(without), c.position(last)})
		}
	}
	return flapped
}

func (c *readChain) showFlap(i int32, byNode bool, reads [3]int32) {
	if e := &c.all[i]; !e.flapped {
		e.flapped, e.byNode, e.flap = true, byNode, reads
	}
}

// rangeMin tells where in a stretch of numbers the least one is, in constant
// time after n·Log(n): by[l][i] is the place of the least of the 2^l from i on.
type rangeMin struct {
	of []int64
	by [][]int32
}

func newRangeMin(of []int64) rangeMin {
	first := make([]int32, len(of))
	for i := range first {
		first[i] = int32(i)
	}
	r := rangeMin{of, [][]int32{first}}
	for width := 2; width <= len(of); width *= 2 {
		half := r.by[len(r.by)-1]
		next := make([]int32, len(of)-width+1)
		for i := range next {
			next[i] = r.less(half[i], half[i+width/2])
		}
		r.by = append(r.by, next)
	}
	return r
}

func (r *rangeMin) less(a, b int32) int32 {
	if r.of[b] < r.of[a] {
		return b
	}
	return a
}

// At is the place of the least number from first to last.
func (r *rangeMin) at(first, last int32) int32 {
	level := bits.Len32(uint32(last-first+1)) - 1
	return r.less(r.by[level][first], r.by[level][last+1-1<<level])
}
