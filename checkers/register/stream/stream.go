// Package stream checks registers while a run goes on.
package stream

import (
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/register/watch"
	"github.com/aftershock-chaos/aftershock/history"
)

// Stream decides whether registers are linearizable while their operations are
// still being recorded. Its memory is proportional to what is open: operations
// that wait for slower workers, values that can still be read, and writes of
// unknown outcome; so it can follow a run of any length. It equals the checker
// of whole histories, but that it does not tell the evidence. Where values are
// written again that may still be read it keeps a key's operations since it was
// last at rest, see episode; if these become too many (episodeOps, and
// streamOps of all keys) the key is left undecided. It is used by one goroutine.
type Stream struct {
	meta    history.Meta
	sources map[uint32]*source // by workload and worker
	waiting int                // sources that have no operation queued and may still get one
	heads   []*source          // heap by the start of their first operation
	index   *kit.KeyIndex
	keys    []streamed
	decided uint64        // operations taken in order
	kept    int           // operations in episodes
	search  time.Duration // bound of each general search in an episode
	found   []Violation
	broken  int // keys violated
	unclear int // keys that are not decided, for good or until they are at rest
}

// Violation is a contradiction that a Stream found.
type Violation struct {
	Workload string
	Key      uint32
	At       int64 // when it was certain, on the run's clock
	Text     string
}

// source is one worker's operations that were not decided yet, in its order.
type source struct {
	queue []history.Op
	first int
}

// streamed is one register.
type streamed struct {
	workload uint8
	key      uint32
	done     bool // it is decided, or given up
	open     bool // the watch does not decide it: that is left to the episode
	newest   int64
	watch    watch.Watch
	since    episode
}

// keptViolations bounds how many violations a Stream tells.
const keptViolations = 10

// NewStream makes a Stream for the workloads of meta.
func NewStream(meta history.Meta) *Stream {
	s := &Stream{meta: meta, sources: map[uint32]*source{}, index: kit.NewKeyIndex(), search: episodeTime}
	for i := range min(len(meta.Workloads), 256) {
		if w := &meta.Workloads[i]; w.ActsOn() == history.ObjectRegister {
			for worker := range min(w.Workers, 1<<16) {
				s.sources[sourceID(uint8(i), uint16(worker))] = &source{}
				s.waiting++
			}
		}
	}
	return s
}

func sourceID(workload uint8, worker uint16) uint32 { return uint32(workload)<<16 | uint32(worker) }

// Add takes completed operations: those of one worker in its order, which is
// the order of their starts, and workers in any order. Final reads and
// operations of other workloads are passed over. It keeps nothing of ops.
func (s *Stream) Add(ops []history.Op) {
	for i := range ops {
		op := &ops[i]
		src := s.sources[sourceID(op.Workload, op.Worker)]
		if src == nil || op.Final() {
			continue
		}
		if src.first == len(src.queue) {
			src.queue, src.first = src.queue[:0], 0
			s.waiting--
			src.queue = append(src.queue, *op)
			s.push(src)
		} else {
			src.queue = append(src.queue, *op)
		}
		if s.waiting == 0 {
			s.drain()
		}
	}
}

// Drain decides operations in order of start for as long as every source has
// one queued.
func (s *Stream) drain() {
	for s.waiting == 0 && len(s.heads) > 0 {
		s.next()
	}
}

// Advance says that every operation that starts before t has been added, so
// that a worker with nothing to do does not hold up the others.
func (s *Stream) Advance(t int64) {
	for len(s.heads) > 0 && kit.From(s.heads[0].op()) < t {
		s.next()
	}
}

// next decides the operation of the least start.
func (s *Stream) next() {
	src := s.heads[0]
	s.decide(src.op())
	src.first++
	if src.first < len(src.queue) {
		if src.first >= 1024 && 2*src.first >= len(src.queue) {
			n := copy(src.queue, src.queue[src.first:])
			src.queue, src.first = src.queue[:n], 0
		}
		s.down()
		return
	}
	s.waiting++
	last := len(s.heads) - 1
	s.heads[0] = s.heads[last]
	s.heads = s.heads[:last]
	if last > 0 {
		s.down()
	}
}

func (s *source) op() *history.Op { return &s.queue[s.first] }

// push and down keep the heap.
func (s *Stream) push(src *source) {
	s.heads = append(s.heads, src)
	for i := len(s.heads) - 1; i > 0; {
		up := (i - 1) / 2
		if history.Less(s.heads[i].op(), s.heads[up].op()) >= 0 {
			return
		}
		s.heads[i], s.heads[up] = s.heads[up], s.heads[i]
		i = up
	}
}

func (s *Stream) down() {
	for i := 0; ; {
		least := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < len(s.heads) && history.Less(s.heads[c].op(), s.heads[least].op()) < 0 {
				least = c
			}
		}
		if least == i {
			return
		}
		s.heads[i], s.heads[least] = s.heads[least], s.heads[i]
		i = least
	}
}

func (s *Stream) decide(op *history.Op) {
	at := s.index.Of(op.Workload, op.Key)
	if *at == 0 {
		s.keys = append(s.keys, streamed{workload: op.Workload, key: op.Key, newest: kit.Beginning, watch: watch.NewWatch(),
			since: episode{base: history.Nil, last: kit.Beginning}})
		*at = int32(len(s.keys))
	}
	k := &s.keys[*at-1]
	s.decided++
	before := len(k.since.ops)
	s.apply(k, op)
	s.kept += len(k.since.ops) - before
}

// apply takes the next operation on a register.
func (s *Stream) apply(k *streamed, op *history.Op) {
	now := kit.From(op)
	switch {
	case k.done:
		return
	case now < k.newest: // the order is wrong
		s.giveUp(k)
		return
	}
	k.newest = now
	if k.since.last < now {
		s.rest(k, now)
	}
	if k.done {
		return
	}
	if k.since.add(op, s.kept < streamOps); k.open && k.since.full {
		s.giveUp(k)
	}
	if !k.open && !k.watch.Add(op) {
		s.tell(k)
	}
}

// Rest takes note that a register is at rest.
func (s *Stream) rest(k *streamed, now int64) {
	if !k.open {
		if v, certain := k.watch.Rest(now); certain {
			k.since.begin(v)
			return
		}
		if !k.watch.Guessed || k.since.full {
			return
		}
		s.leave(k)
	}
	if len(k.since.ops) >= 2*k.since.tried {
		s.judge(k)
	}
}

// leave leaves a register to its episode.
func (s *Stream) leave(k *streamed) {
	k.open, k.watch = true, watch.Watch{}
	s.unclear++
}

// judge decides a register by its episode, and begins anew if it can.
func (s *Stream) judge(k *streamed) {
	k.since.tried = len(k.since.ops)
	switch k.since.judge(s.search) {
	case checkers.False:
		s.violated(k, k.since.last, k.since.text(k.key))
	case checkers.Unknown:
		s.giveUp(k)
	case checkers.True:
		if v, certain := k.since.value(s.search); certain {
			s.unclear--
			k.open, k.watch = false, watch.NewWatchOf(v)
			k.since.begin(v)
		}
	}
}

// giveUp leaves a register undecided for good.
func (s *Stream) giveUp(k *streamed) {
	if !k.open {
		s.leave(k)
	}
	k.done, k.since = true, episode{}
}

// tell notes what a watch found.
func (s *Stream) tell(k *streamed) {
	switch k.watch.State {
	case watch.Violated:
		s.violated(k, k.watch.At, k.watch.Text(k.key))
	case watch.Ambiguous:
		if s.leave(k); k.since.full {
			s.giveUp(k)
		}
	}
}

func (s *Stream) violated(k *streamed, at int64, text string) {
	if k.open {
		s.unclear--
	}
	s.broken++
	if len(s.found) < keptViolations {
		s.found = append(s.found, Violation{Workload: s.meta.Workloads[k.workload].Name, Key: k.key, At: at, Text: text})
	}
	k.done, k.open, k.watch, k.since = true, false, watch.Watch{}, episode{}
}

// Finish takes the end of the history: nothing more will be added.
func (s *Stream) Finish() {
	s.Advance(kit.Never)
	for i := range s.keys {
		k := &s.keys[i]
		if !k.done && !k.open && k.watch.Finish() != watch.Watching {
			s.tell(k)
		}
		if k.open && !k.done {
			s.judge(k)
		}
		if k.open && !k.done { // linearizable, whichever value is there at the end
			k.open = false
			s.unclear--
		}
	}
}

// Verdict tells what is known so far: False as soon as one key is violated,
// Unknown while there is none but some key that is not decided.
func (s *Stream) Verdict() checkers.Truth {
	switch {
	case s.broken > 0:
		return checkers.False
	case s.unclear > 0:
		return checkers.Unknown
	}
	return checkers.True
}

// Violations are the first few.
func (s *Stream) Violations() []Violation { return s.found }

// Decided counts the operations that were taken in order of start; the verdict
// rests on them.
func (s *Stream) Decided() uint64 { return s.decided }

// Open counts the operations that wait for other workers, and the open values.
func (s *Stream) Open() (operations, values int) {
	for _, src := range s.heads {
		operations += len(src.queue) - src.first
	}
	for i := range s.keys {
		values += s.keys[i].watch.Used
	}
	return operations, values
}
