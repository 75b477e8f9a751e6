package foreign

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// pieces are the operations of a key-value store whose values are strings that
// grow. They become those of registers with compare-and-set, exactly:
//
//   - a string that was read tells, for each piece in it, what stood before the
//     piece. As pieces are unique, an append whose piece was seen replaced that
//     prefix by the prefix with the piece, at whatever time: a compare-and-set;
//   - an append whose piece nobody saw made a string that nobody saw: a write of
//     a value that is nobody else's.
//
// A string that does not come about in this way was written by nobody.
type pieces struct {
	appends []int32 // indexes of the log's operations
	puts    []int32
	reads   []int32
}

func (s *pieces) note(at int, p *pending) {
	switch {
	case p.action.asks == piece:
		s.appends = append(s.appends, int32(at))
	case p.op.Kind == history.Write:
		s.puts = append(s.puts, int32(at))
	case p.op.Kind == history.Read && p.op.Outcome == history.OK:
		s.reads = append(s.reads, int32(at))
	}
}

// part is one string that was put or appended.
type part struct {
	text     string
	op       int32
	appended bool
	placed   bool
	from, to int64 // states before and after it, if it is placed
}

// resolve makes the appends compare-and-sets or writes.
func (s *pieces) resolve(b *builder) {
	if len(s.appends) == 0 {
		return
	}
	byKey := map[uint32][]part{}
	for _, i := range s.appends {
		op := &b.log.Ops[i]
		text := b.names.raw(op.Value)
		byKey[op.Key] = append(byKey[op.Key], part{text: text, op: i, appended: true})
	}
	for _, i := range s.puts {
		op := &b.log.Ops[i]
		if text := b.names.raw(op.Value); text != "" && byKey[op.Key] != nil {
			byKey[op.Key] = append(byKey[op.Key], part{text: text, op: i})
		}
	}
	limit := time.Now().Add(searchTime)
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		parts := byKey[key]
		slices.SortFunc(parts, func(x, y part) int { return cmp.Or(strings.Compare(x.text, y.text), int(x.op-y.op)) })
		for i := 1; i < len(parts); i++ {
			if strings.HasPrefix(parts[i].text, parts[i-1].text) {
				if b.search(s.of(b.log, key), time.Until(limit)) {
					delete(byKey, key)
				} else {
					byKey[key] = s.leaveOut(b, parts)
				}
				break
			}
		}
	}
	seen := map[int64]bool{} // states of the key that were placed
	last := uint32(0)
	slices.SortStableFunc(s.reads, func(x, y int32) int { return cmp.Compare(b.log.Ops[x].Key, b.log.Ops[y].Key) })
	for _, i := range s.reads {
		op := &b.log.Ops[i]
		if op.Key != last {
			clear(seen)
			last = op.Key
		}
		if text := b.names.raw(op.Value); text != "" && !seen[op.Value] && byKey[op.Key] != nil {
			seen[op.Value] = true
			place(b.names, byKey[op.Key], text)
		}
	}
	for _, parts := range byKey {
		for i := range parts {
			if p := &parts[i]; p.appended {
				p.become(&b.log.Ops[p.op])
			}
		}
	}
	b.note("appends to strings are judged as compare-and-sets from what stood before")
}

// of lists the operations on one key.
func (s *pieces) of(log *history.Log, key uint32) []int32 {
	var ops []int32
	for _, all := range [][]int32{s.appends, s.puts, s.reads} {
		for _, i := range all {
			if log.Ops[i].Key == key {
				ops = append(ops, i)
			}
		}
	}
	return ops
}

// leaveOut takes away the reads that show a value that was appended twice, or
// is the beginning of another, and judges the rest: what contradicts itself
// without them also does with them. That nothing does is not known then, and so
// the history counts as torn.
func (s *pieces) leaveOut(b *builder, parts []part) []part {
	unclear := map[string]bool{}
	for i := 1; i < len(parts); i++ {
		if strings.HasPrefix(parts[i].text, parts[i-1].text) {
			unclear[parts[i-1].text], unclear[parts[i].text] = true, true
		}
	}
	apart := slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return unclear[p.text] })
	key := b.log.Ops[parts[0].op].Key
	n := len(s.reads)
	s.reads = slices.DeleteFunc(s.reads, func(i int32) bool {
		op := &b.log.Ops[i]
		if op.Key != key {
			return false
		}
		text := b.names.raw(op.Value)
		for u := range unclear {
			if strings.Contains(text, u) {
				op.Outcome, op.Value = history.Unknown, history.Nil
				return true
			}
		}
		return false
	})
	b.log.Torn, b.log.Doubts.Torn = true, "reads that show a value that was appended twice were left out"
	b.note("%d reads of a key were left out, as they show a value that was appended twice: violations are certain, but not that there is none", n-len(s.reads))
	for i := range parts {
		if p := &parts[i]; unclear[p.text] {
			op := &b.log.Ops[p.op]
			op.Kind, op.Value = history.Write, b.names.fresh(p.text) // nobody sees it any more
		}
	}
	return apart
}

// place finds the pieces of a string that was read. No piece is the beginning
// of another, so there is one way at most to take it apart.
func place(names *Names, parts []part, text string) {
	before, at := history.Nil, 0
	for at < len(text) {
		rest := text[at:]
		i, exact := slices.BinarySearchFunc(parts, rest, func(p part, rest string) int { return strings.Compare(p.text, rest) })
		if !exact {
			i--
		}
		if i < 0 || !strings.HasPrefix(rest, parts[i].text) {
			return
		}
		p := &parts[i]
		at += len(p.text)
		to := names.state(text[:at])
		switch {
		case !p.appended && before != history.Nil:
			return // a put does not stand behind anything
		case p.appended && p.placed && (p.from != before || p.to != to):
			return // it stands elsewhere too
		}
		p.placed, p.from, p.to = true, before, to
		before = to
	}
}

// become makes an append what it is to a register.
func (p *part) become(op *history.Op) {
	switch {
	case !p.placed:
		op.Kind = history.Write
	case op.Outcome == history.Fail:
		op.Kind, op.Value = history.Write, p.to
	default:
		op.Old, op.Value = p.from, p.to
	}
}
