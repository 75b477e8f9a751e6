package foreign

import (
	"bytes"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// ask takes what an invocation asks for.
func (b *builder) ask(p *pending, e *entry) error {
	op := &p.op
	if p.action.asks == micros {
		return b.transaction(p, &e.value, e, false)
	}
	v, err := b.split(op, e)
	if err != nil {
		return err
	}
	wrong := func(want string) error {
		return errorAt(b.name, e.line, "%s invokes :%s with %s; expected %s", who(e), e.function, v.describe(), b.withKey(want))
	}
	switch p.action.asks {
	case noValue:
		if op.Kind == history.Write {
			op.Value = history.Nil
		}
	case oneValue:
		op.Value = b.number(v)
	case twoValues:
		if !v.pair() {
			return wrong("[old new]")
		}
		op.Old, op.Value = b.number(&v.items[0]), b.number(&v.items[1])
	case amount:
		switch {
		case v.shape == integer && v.n > -firstName && v.n < firstName:
			op.Value = v.n * p.action.factor
		case v.shape == nothing:
			op.Value = p.action.factor
		default:
			return wrong("a number")
		}
	case piece:
		if v.shape != str || len(v.text) == 0 {
			return wrong("a string that is not empty")
		}
		op.Value = b.names.state(string(v.text))
	}
	return nil
}

// withKey is what is expected, with the key that it has in this history.
func (b *builder) withKey(want string) string {
	if b.keyed {
		return "[key " + want + "], as other operations have a key"
	}
	return want
}

// split parts the key from the value.
func (b *builder) split(op *history.Op, e *entry) (*value, error) {
	v, k := &e.value, &e.key
	switch {
	case e.hasKey:
	case b.keyed && v.pair():
		v, k = &e.value.items[1], &e.value.items[0]
	case b.keyed:
		return nil, errorAt(b.name, e.line, "%s has :%s with %s; expected [key value], as other operations have a key", who(e), e.function, v.describe())
	default:
		return v, nil
	}
	key, ok := b.names.key(k)
	if !ok {
		return nil, errorAt(b.name, e.line, "more than %d keys that are no numbers", len(b.names.keys.texts)-1)
	}
	if e.kind != invoke && key != op.Key {
		return nil, errorAt(b.name, e.line, "%s completes :%s with key %s, which is not the one that it invoked it with", who(e), e.function, k.describe())
	}
	op.Key = key
	return v, nil
}

// number is the number of a value. Strings of key-value stores are kept as
// they are, as they grow; those of Nil and "" are what a store holds at first.
func (b *builder) number(v *value) int64 {
	if b.model.name == "kv" && v.shape == str {
		return b.names.state(string(v.text))
	}
	return b.names.value(v)
}

// tell takes what a completion tells.
func (b *builder) tell(p *pending, e *entry) error {
	op := &p.op
	switch {
	case e.kind == fail && op.Kind == history.CAS && e.seen:
		op.Observed, op.Flags, op.Error = b.number(&e.observed), op.Flags|history.Seen, history.ErrCompare
		return nil
	case e.kind == succeed, e.kind == info && (op.Kind == history.Dequeue || op.Kind == history.Drain) && e.value.shape != word && e.value.shape != nothing:
	default:
		return nil
	}
	if p.action.tells == micros {
		return b.transaction(p, &e.value, e, true)
	}
	if p.action.tells == noValue {
		return b.retell(p, e)
	}
	v, err := b.split(op, e)
	if err != nil || e.kind == info && v.shape == nothing {
		return err
	}
	wrong := func(want string) error {
		return errorAt(b.name, e.line, "%s completes :%s with %s; expected %s", who(e), e.function, v.describe(), b.withKey(want))
	}
	switch p.action.tells {
	case oneValue:
		op.Value = b.number(v)
	case number:
		if v.shape != nothing && (v.shape != integer || v.n <= -firstName || v.n >= firstName) {
			return wrong("a number")
		}
		if op.Value = history.Nil; v.shape == integer {
			op.Value = v.n
		}
	case manyValues:
		if !v.many() && v.shape != nothing { // nil is how some clients tell an empty set
			return wrong("the elements, as [1 2 3]")
		}
		from := b.room(len(v.items))
		for i := range v.items {
			b.elements = append(b.elements, b.names.value(&v.items[i]))
		}
		op.Elements = b.elements[from:len(b.elements):len(b.elements)]
	}
	return nil
}

// retell takes the value of an acknowledged completion in place of the
// invocation's, as Knossos does: it is the completion that knows what was
// written. One without a value tells nothing.
func (b *builder) retell(p *pending, e *entry) error {
	op, v := &p.op, &e.value
	if e.kind != succeed || v.shape == nothing || b.keyed && !v.pair() {
		return nil
	}
	v, err := b.split(op, e)
	if err != nil || v.shape == nothing {
		return err
	}
	switch p.action.asks {
	case oneValue:
		op.Value = b.number(v)
	case twoValues:
		if v.pair() {
			op.Old, op.Value = b.number(&v.items[0]), b.number(&v.items[1])
		}
	case amount:
		if v.shape == integer && v.n > -firstName && v.n < firstName {
			op.Value = v.n * p.action.factor
		}
	}
	return nil
}

// arenaElements is how many elements are allocated at once.
const arenaElements = 1 << 15

// room makes room for n elements behind the arena's.
func (b *builder) room(n int) (from int) {
	if b.elements == nil || cap(b.elements)-len(b.elements) < n { // no elements are not nil
		b.elements = make([]int64, 0, max(n, arenaElements))
	}
	return len(b.elements)
}

var txnFunction = []byte("txn")

// transaction tells whether the entry's value is one: a list of micro-operations.
func (e *entry) transaction() bool {
	if e.value.shape != list || len(e.value.items) == 0 {
		return false
	}
	m := &e.value.items[0]
	switch {
	case m.shape != list || len(m.items) < 2:
		return false
	case len(m.items) == 2:
		return m.items[0].is("r") && m.items[0].shape == word // [:r :x] is [:r :x nil]
	}
	return len(m.items) == 3 && (m.items[0].is("append") || m.items[0].is("r") || m.items[0].is("w"))
}

// transaction takes the micro-operations of a transaction, with the results of
// reads if it has completed.
func (b *builder) transaction(p *pending, v *value, e *entry, done bool) error {
	if v.shape != list {
		return errorAt(b.name, e.line, "%s has a transaction %s; expected micro-operations such as [[:append 1 2] [:r 1 nil]]", who(e), v.describe())
	}
	n := 0
	for i := range v.items {
		n += 2 + len(lastItem(&v.items[i]).items)
	}
	from := b.room(n)
	for i := range v.items {
		if err := b.micro(&v.items[i], e, done); err != nil {
			return err
		}
	}
	p.op.Elements = b.elements[from:len(b.elements):len(b.elements)]
	return nil
}

func lastItem(v *value) *value {
	if len(v.items) == 0 {
		return v
	}
	return &v.items[len(v.items)-1]
}

// micro adds one micro-operation to the arena.
func (b *builder) micro(v *value, e *entry, done bool) error {
	short := v.shape == list && len(v.items) == 2 && v.items[0].is("r") // [:r :x] is [:r :x nil]
	if v.shape != list || len(v.items) != 3 && !short {
		return errorAt(b.name, e.line, "%s has the micro-operation %s; expected [:append key value] or [:r key list]", who(e), v.describe())
	}
	key, ok := b.names.key(&v.items[1])
	if !ok {
		return errorAt(b.name, e.line, "more than %d keys that are no numbers", len(b.names.keys.texts)-1)
	}
	b.keys[key] = struct{}{}
	m := history.Micro{Key: key}
	last := &value{}
	if !short {
		last = &v.items[2]
	}
	switch {
	case v.items[0].is("append"):
		m.Value = b.names.value(last)
	case v.items[0].is("w"):
		return errorAt(b.name, e.line, "%s writes a register in a transaction (:w): only transactions that append to lists are supported", who(e))
	case !v.items[0].is("r"):
		return errorAt(b.name, e.line, "%s has the micro-operation %s; expected [:append key value] or [:r key list]", who(e), v.describe())
	case last.shape != list && last.shape != nothing:
		return errorAt(b.name, e.line, "%s reads %s in a transaction; expected a list", who(e), last.describe())
	default:
		m.Read, m.Known = true, done
		b.elements = append(b.elements, int64(key)<<1|1, -1)
		if done {
			b.elements[len(b.elements)-1] = int64(len(last.items))
			for i := range last.items {
				b.elements = append(b.elements, b.names.value(&last.items[i]))
			}
		}
		return nil
	}
	b.elements = history.AppendMicro(b.elements, m)
	return nil
}

// classes are words by which errors of other tools are recognised.
var classes = []struct {
	word  string
	class history.Error
}{
	{"timeout", history.ErrTimeout}, {"timed-out", history.ErrTimeout}, {"timed out", history.ErrTimeout},
	{"refused", history.ErrConnect}, {"unreachable", history.ErrConnect},
	{"reset", history.ErrConnLost}, {"closed", history.ErrConnLost}, {"conn", history.ErrConnLost}, {"network", history.ErrConnLost},
	{"precondition", history.ErrCompare}, {"did-not-succeed", history.ErrCompare},
	{"leader", history.ErrNotPrimary}, {"primary", history.ErrNotPrimary}, {"unavailable", history.ErrNoQuorum},
}

// classify finds the class of an entry's error.
func classify(e *entry, op *history.Op) history.Error {
	v := &e.failure
	if v.shape == nothing && e.value.shape == word {
		v = &e.value // an old form of Jepsen's: :fail :read :timed-out
	}
	for v.shape == list && len(v.items) > 0 {
		v = &v.items[0]
	}
	text := strings.ToLower(string(bytes.TrimPrefix(v.text, []byte(":"))))
	if v.shape != str && v.shape != word {
		text = ""
	}
	if text != "" {
		for c := history.ErrTimeout; ; c++ {
			name := c.String()
			if name == "invalid" {
				break
			}
			if name == text {
				return c
			}
		}
		for _, c := range classes {
			if strings.Contains(text, c.word) {
				return c.class
			}
		}
		return history.ErrServer
	}
	switch {
	case op.Outcome == history.Fail && op.Kind == history.CAS:
		return history.ErrCompare
	case op.Outcome == history.Unknown:
		return history.ErrTimeout
	}
	return history.ErrServer
}
