package foreign

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/aftershock-chaos/aftershock/history"
)

// client is who an entry is of. Most tools number their processes; others give
// them names, and some histories tell none.
type client struct {
	number int64
	name   []byte // in place of the number: as EDN writes it
	untold bool   // the entry tells no process
}

// firstClientName is the first number for processes with a name of their own, or
// a number beyond.
const firstClientName = 1 << 61

// isNemesis tells whether a process is what Jepsen calls the one that makes
// faults: the keyword :nemesis, which JSON and others write as a string. All
// other processes are clients, whatever they are called.
func isNemesis(v *value) bool {
	return (v.shape == word || v.shape == str) && bytes.EqualFold(trimColon(v.text), []byte("nemesis"))
}

// fillProcess takes the process of an entry.
func (e *entry) fillProcess(v *value) {
	e.bystander, e.client = isNemesis(v), client{}
	switch {
	case e.bystander:
	case v.shape == nothing:
		e.client.untold = true
	case v.shape == integer && v.n < firstClientName && v.n > -firstClientName:
		e.client.number = v.n
	case v.shape == str && digits(v.text):
		e.client.number, _ = parseInt(v.text) // JSON's keys and some tools' fields are strings
	default:
		e.client.name = v.appendCanonical(nil)
	}
}

// digits tells whether a text is a number as a process may have it.
func digits(text []byte) bool {
	n, ok := parseInt(text)
	return ok && n < firstClientName && n > -firstClientName
}

// who names the entry's process for messages.
func who(e *entry) string {
	switch {
	case e.bystander:
		return "the nemesis"
	case e.client.untold:
		return "a process that is not told"
	case e.client.name != nil:
		return fmt.Sprintf("process %s", (&value{shape: word, text: e.client.name}).describe())
	}
	return fmt.Sprintf("process %d", e.client.number)
}

// processes tells apart who does what.
type processes struct {
	named   map[string]int64 // name → number from firstClientName on
	names   []string
	logical map[int64]uint32 // number → 1 + Op.Process; 0: its next operation begins another
	given   uint32           // numbers given out from firstProcess on
}

// numberOf is the number of a client.
func (p *processes) numberOf(c *client) int64 {
	if c.name == nil {
		return c.number
	}
	n, ok := p.named[string(c.name)]
	if !ok {
		n = firstClientName + int64(len(p.names))
		p.named[string(c.name)] = n
		p.names = append(p.names, string(c.name))
	}
	return n
}

// firstProcess is the first number for processes that have none of their own:
// because they have a name or a large number, or because of an unknown outcome
// before, after which a process is another.
const firstProcess = 1 << 31

// process is the logical process of a number, and names it if it is called
// otherwise.
func (p *processes) process(of int64, names *Names) uint32 {
	id, ok := p.logical[of]
	if !ok || id == 0 {
		if id = uint32(of) + 1; ok || of < 0 || of >= firstProcess {
			id = p.another() + 1
			names.call(id-1, p.text(of))
		}
		p.logical[of] = id
	}
	return id - 1
}

// another is a process that is nobody else.
func (p *processes) another() uint32 {
	p.given++
	return firstProcess + p.given - 1
}

func (p *processes) text(of int64) string {
	if at := of - firstClientName; at >= 0 && at < int64(len(p.names)) {
		return p.names[at]
	}
	return strconv.FormatInt(of, 10)
}

// retire makes a process's next operation another process's.
func (p *processes) retire(of int64) { p.logical[of] = 0 }

// Bounds of operations that tell no process.
const mostUntold = 1 << 12

// matching finds the operation under way that an entry without a process
// completes: among those without one, of one that asks for the same. Where there
// are several, nobody knows which it is: then it is the one that began first,
// and the others count as begun then as well, so that no order is made up.
func (b *builder) matching(e *entry) (int32, bool) {
	fitting := func(strict bool) []int {
		var all []int
		for i, at := range b.untold {
			if p := &b.pending[at]; p.function == string(e.function) && (!strict || b.answers(p, e)) {
				all = append(all, i)
			}
		}
		return all
	}
	all := fitting(true)
	if len(all) == 0 {
		all = fitting(false)
	}
	if len(all) == 0 {
		return 0, false
	}
	at := b.untold[all[0]]
	if len(all) > 1 {
		b.unbegun("it tells no processes, so when some of the operations began that ran at one time is not known")
	}
	for _, i := range all[1:] {
		op := &b.pending[b.untold[i]].op
		op.Start = b.pending[at].op.Start
		op.Intended = op.Start
	}
	b.untold = slices.Delete(b.untold, all[0], all[0]+1)
	return at, true
}

// answers tells whether a completion has what an invocation asked for.
func (b *builder) answers(p *pending, e *entry) bool {
	if e.value.shape == nothing {
		return true
	}
	if p.action.kind == history.Txn {
		return b.answersTxn(p, e)
	}
	v := &e.value
	if b.keyed {
		if !v.pair() {
			return true
		}
		key, ok := b.names.key(&v.items[0])
		if v = &v.items[1]; !ok || key != p.op.Key {
			return false
		}
	}
	switch p.action.asks {
	case oneValue:
		return b.number(v) == p.op.Value
	case twoValues:
		return !v.pair() || b.number(&v.items[0]) == p.op.Old && b.number(&v.items[1]) == p.op.Value
	}
	return true
}

// answersTxn is answers of a transaction: the same steps.
func (b *builder) answersTxn(p *pending, e *entry) bool {
	asked, ok := history.Micros(p.op.Elements)
	if !ok || len(asked) != len(e.value.items) {
		return false
	}
	for i := range asked {
		m := &e.value.items[i]
		if m.shape != list || len(m.items) < 2 || m.items[0].is("r") != asked[i].Read {
			return false
		}
		if key, ok := b.names.key(&m.items[1]); !ok || key != asked[i].Key {
			return false
		}
		if !asked[i].Read && (len(m.items) != 3 || b.names.value(&m.items[2]) != asked[i].Value) {
			return false
		}
	}
	return true
}
