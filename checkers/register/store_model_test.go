package register

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/history"
)

// store is a simulated replicated store of registers, which knows what became of
// every write. Nodes have logs; a replica copies that of the node that it follows,
// and gives up of its own what that one lacks. Primaries are replaced, come back
// and are told apart late or never; servers are killed, and may forget the end of
// their logs. A tick is a millisecond.
type store struct {
	r        *rand.Rand
	now      int64
	nodes    []storeNode
	clients  []storeClient
	flying   []*flight
	epoch    uint64
	values   int64
	faults   int
	looks    bool // clients read a key before they overwrite it on another node
	forwards bool // replicas pass writes on
	operated bool // failovers and rejoins are told
	sync     bool // writes are copied before they are acknowledged
	double   bool // an old primary may go on beside the new one
	log      *history.Log
	before   map[int64][]int64 // by value: those that it came upon in its log
}

type storeNode struct {
	log     []entryOf
	primary bool
	epoch   uint64
	follows int
	up      bool
	ready   int64 // when it serves
	life    int   // counts what breaks its connections
	fault   string
	cut     bool // its polls are not answered

	told   string // role and epoch
	asked  int64
	polled int64 // when it is asked next
	says   bool  // it is the primary, as its last answer says
}

type entryOf struct {
	key   uint32
	value int64
}

type storeClient struct {
	primary int
	busy    bool
	looked  map[uint32]bool // nil: it has not changed its primary
	process uint32
}

// flight is an operation under way.
type flight struct {
	op      history.Op
	client  int
	sent    int64 // when it is bound to the node's life
	life    int
	effect  int64
	end     int64
	give    int64 // when the client gives up
	bound   bool
	done    bool // it took effect, or was refused
	refused history.Error
	over    bool // recorded
}

func newStore(seed uint64) *store {
	r := rand.New(rand.NewPCG(seed, 1))
	s := &store{r: r, before: map[int64][]int64{}, looks: r.IntN(2) == 0, forwards: r.IntN(4) == 0, operated: r.IntN(2) == 0,
		sync: r.IntN(3) == 0, double: r.IntN(3) == 0, epoch: 1}
	s.operated = s.operated && !s.forwards // where there is an operator, replicas refuse writes
	s.log = checktest.LogOf(registerType)
	for i := range 3 {
		s.nodes = append(s.nodes, storeNode{up: true, primary: i == 0, epoch: 1, polled: int64(i)})
	}
	s.poll(true)
	for range 2 + r.IntN(3) {
		s.clients = append(s.clients, storeClient{primary: -1, process: uint32(len(s.clients))})
	}
	s.event(history.Event{Kind: history.EventPhase, Detail: "warmup"}, 0)
	return s
}

func (s *store) chance(n int) bool { return s.r.IntN(n) == 0 }

func nodeName(i int) string { return fmt.Sprintf("n%d", i+1) }

func (s *store) event(e history.Event, jitter int64) {
	e.At = (s.now + jitter) * ms
	s.log.Events = append(s.log.Events, e)
}

// run simulates so many ticks with incidents, and then settles the store.
func (s *store) run(ticks int64, keys int) {
	calm := 1 + s.r.IntN(4)
	for end := s.now + ticks; s.now < end; s.now++ {
		if s.chance(25 * calm) {
			s.incident()
		}
		s.tick(keys)
	}
	s.settle()
}

func (s *store) tick(keys int) {
	s.poll(false)
	for i := range s.nodes {
		if s.chance(4) {
			s.copy(i)
		}
	}
	for c := range s.clients {
		if !s.clients[c].busy && s.chance(3) {
			s.call(c, keys)
		}
	}
	for _, f := range s.flying {
		s.fly(f)
	}
	s.flying = slices.DeleteFunc(s.flying, func(f *flight) bool { return f.over && (f.done || f.bound && s.nodes[f.op.Node].life != f.life) })
}

// ruler is the primary of the newest epoch, -1 if none is up.
func (s *store) ruler() int {
	best := -1
	for i := range s.nodes {
		if n := &s.nodes[i]; n.primary && n.up && (best < 0 || n.epoch > s.nodes[best].epoch) {
			best = i
		}
	}
	return best
}

// incident is something that may make the store forget.
func (s *store) incident() {
	i := s.r.IntN(len(s.nodes))
	n := &s.nodes[i]
	switch s.r.IntN(8) {
	case 0, 1:
		if n.up {
			s.kill(i)
		}
	case 2, 3:
		if !n.up && s.now >= n.ready { // one clock tells when it was killed and when it was started
			s.start(i)
		}
	case 4:
		s.failover()
	case 5:
		s.rejoin()
	case 6:
		n.cut = !n.cut // the harness cannot ask it
	case 7:
		s.partition(i)
	}
}

func (s *store) partition(i int) {
	n := &s.nodes[i]
	if n.fault != "" {
		return
	}
	s.ask(i)
	s.faults++
	id := fmt.Sprint("p", s.faults)
	s.event(history.Event{Kind: history.EventFault, Fault: id, Name: "partition isolate", Nodes: []string{nodeName(i)}}, 0)
	if !s.chance(5) {
		s.event(history.Event{Kind: history.EventHeal, Fault: id, Nodes: []string{nodeName(i)}}, int64(s.r.IntN(40)))
	}
}

// ask polls a node: where writes are passed on, it has not changed its role unseen
// just before a fault hits it, see package reign.
func (s *store) ask(i int) {
	if s.forwards {
		s.nodes[i].cut, s.nodes[i].polled = false, s.now
		s.poll(false)
	}
}

func (s *store) kill(i int) {
	n := &s.nodes[i]
	s.ask(i)
	s.faults++
	n.up, n.life = false, n.life+1
	if s.chance(4) && len(n.log) > 0 { // it had not written everything to its disk
		n.log = n.log[:len(n.log)-s.r.IntN(min(len(n.log), 4))]
	}
	if s.chance(4) {
		s.event(history.Event{Kind: history.EventExit, Node: nodeName(i), Failed: true, Detail: "signal"}, int64(s.r.IntN(3)))
		n.fault = ""
		n.ready = s.now + 10 + int64(s.r.IntN(20))
		n.up = true
		return
	}
	n.fault, n.ready = fmt.Sprint("k", s.faults), s.now+8
	s.event(history.Event{Kind: history.EventFault, Fault: n.fault, Name: "kill", Nodes: []string{nodeName(i)}}, int64(s.r.IntN(3)))
	s.event(history.Event{Kind: history.EventExit, Node: nodeName(i), Fault: n.fault, Detail: history.Killed, Cause: history.ByFault}, 3)
}

func (s *store) start(i int) {
	n := &s.nodes[i]
	n.up, n.ready = true, s.now+10
	s.event(history.Event{Kind: history.EventHeal, Fault: n.fault, Nodes: []string{nodeName(i)}}, int64(s.r.IntN(9))-4)
	n.fault = ""
	if r := s.ruler(); n.primary && r != i && s.chance(2) {
		s.demote(i)
	}
}

// failover makes another node the primary, of what it has.
func (s *store) failover() {
	old, i := s.ruler(), s.r.IntN(len(s.nodes))
	n := &s.nodes[i]
	if i == old || !n.up || s.now < n.ready || n.primary {
		return
	}
	s.epoch++
	n.epoch = s.epoch
	if old >= 0 && !s.double && s.nodes[old].up {
		s.demoteTo(old, i)
	}
	n.primary, n.life = true, n.life+1
	if s.operated {
		s.event(history.Event{Kind: history.EventFailover, Since: s.now * ms, Node: nodeName(i), Epoch: s.epoch}, int64(s.r.IntN(30)))
	}
	for j := range s.nodes {
		if m := &s.nodes[j]; !m.primary && s.chance(2) {
			m.follows, m.epoch = i, s.epoch
		}
	}
}

// rejoin has a primary of the past follow the present one.
func (s *store) rejoin() {
	r := s.ruler()
	for i := range s.nodes {
		if n := &s.nodes[i]; i != r && r >= 0 && n.up && (n.primary || n.follows != r || n.epoch < s.nodes[r].epoch) {
			s.demoteTo(i, r)
			if s.operated {
				s.event(history.Event{Kind: history.EventRejoin, Since: s.now * ms, Node: nodeName(i), Epoch: s.epoch}, int64(s.r.IntN(3)))
			}
			return
		}
	}
}

func (s *store) demote(i int) {
	if r := s.ruler(); r >= 0 && r != i {
		s.demoteTo(i, r)
	}
}

func (s *store) demoteTo(i, to int) {
	n := &s.nodes[i]
	n.primary, n.follows, n.epoch, n.life = false, to, max(n.epoch, s.nodes[to].epoch), n.life+1
	s.copy(i)
}

// copy brings a replica nearer to the node that it follows.
func (s *store) copy(i int) {
	n, from := &s.nodes[i], &s.nodes[s.nodes[i].follows]
	if n.primary || !n.up || !from.up || n.follows == i || !from.primary {
		return
	}
	same := 0
	for same < len(n.log) && same < len(from.log) && n.log[same] == from.log[same] {
		same++
	}
	more := 0
	if left := len(from.log) - same; left > 0 {
		more = s.r.IntN(left + 1)
	}
	n.log = slices.Clone(from.log[:same+more])
}

func (s *store) copyAll(i int) {
	n := &s.nodes[i]
	n.log = slices.Clone(s.nodes[n.follows].log)
}
