package server

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// model is the obvious store.
type model struct {
	strings map[string]string
	sets    map[string][]string
	lists   map[string][]string
	popped  []string // answers of pops
}

func (m *model) apply(r *record) {
	key := string(r.key)
	_, isSet := m.sets[key]
	_, isList := m.lists[key]
	switch r.op {
	case opSet:
		delete(m.sets, key)
		delete(m.lists, key)
		m.strings[key] = string(r.args[0])
	case opCAS:
		if v, ok := m.strings[key]; ok && v == string(r.args[0]) {
			m.strings[key] = string(r.args[1])
		}
	case opDel:
		delete(m.sets, key)
		delete(m.lists, key)
		delete(m.strings, key)
	case opIncr:
		v, ok := m.strings[key]
		n, err := strconv.Atoi(v)
		if !isSet && !isList && (!ok || err == nil) {
			m.strings[key] = strconv.Itoa(n + 1)
		}
	case opAdd:
		if _, ok := m.strings[key]; ok || isList {
			return
		}
		for _, a := range r.args {
			if !slices.Contains(m.sets[key], string(a)) {
				m.sets[key] = append(m.sets[key], string(a))
			}
		}
	case opPush:
		if _, ok := m.strings[key]; ok || isSet {
			return
		}
		for _, a := range r.args {
			m.lists[key] = append(m.lists[key], string(a))
		}
	case opPop, opPeek, opPopLast:
		m.pop(key, r.op)
	}
}

func (m *model) pop(key string, o op) {
	items, ok := m.lists[key]
	_, isString := m.strings[key]
	_, isSet := m.sets[key]
	switch {
	case isString || isSet:
		m.popped = append(m.popped, "wrong")
		return
	case !ok:
		m.popped = append(m.popped, "none")
		return
	case o == opPopLast:
		m.popped = append(m.popped, items[len(items)-1])
		items = items[:len(items)-1]
	default:
		m.popped = append(m.popped, items[0])
		if o == opPop {
			items = items[1:]
		}
	}
	if m.lists[key] = items; len(items) == 0 {
		delete(m.lists, key)
	}
}

func drawLog(t *rapid.T) []frame {
	var frames []frame
	word := rapid.SampledFrom([]string{"1", "2", "3", "x"})
	for i := range rapid.IntRange(0, 120).Draw(t, "records") {
		key := []byte("k" + strconv.Itoa(rapid.IntRange(0, 5).Draw(t, "key")))
		o := rapid.SampledFrom([]op{opNoop, opSet, opCAS, opDel, opIncr, opAdd, opPush, opPush, opPop, opPeek, opPopLast}).Draw(t, "op")
		args := [][]byte{[]byte(word.Draw(t, "a")), []byte(word.Draw(t, "b"))}
		frames = append(frames, encodeFrame(1, uint64(i+1), o, key, args...))
	}
	return frames
}

// TestApplyMatchesTheModel replays serially and in parallel.
func TestApplyMatchesTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frames := drawLog(t)
		want := &model{strings: map[string]string{}, sets: map[string][]string{}, lists: map[string][]string{}}
		answering, popped := newStore(), []string(nil)
		for _, f := range frames {
			r, err := f.decode(nil)
			if err != nil {
				t.Fatal(err)
			}
			want.apply(&r)
			res := answering.apply(&r)
			switch {
			case r.op < opPop:
			case res.kind == resultError:
				popped = append(popped, "wrong")
			case res.none:
				popped = append(popped, "none")
			default:
				popped = append(popped, res.text)
			}
		}
		if !slices.Equal(popped, want.popped) {
			t.Fatalf("popped %v, want %v", popped, want.popped)
		}
		bugs, err := newMischief(&Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{bugs: bugs}
		serial, parallel := newStore(), newStore()
		s.applySerial(serial, frames, nil)
		s.applyParallel(parallel, frames)
		for _, got := range []*store{serial, parallel} {
			gotStrings, gotSets, gotLists := dump(got)
			if !maps.Equal(gotStrings, want.strings) || !maps.EqualFunc(gotSets, want.sets, slices.Equal) || !maps.EqualFunc(gotLists, want.lists, slices.Equal) {
				t.Fatalf("got %v %v %v, want %v %v %v", gotStrings, gotSets, gotLists, want.strings, want.sets, want.lists)
			}
		}
	})
}

func dump(s *store) (str map[string]string, sets, lists map[string][]string) {
	str, sets, lists = map[string]string{}, map[string][]string{}, map[string][]string{}
	for i := range s.shards {
		for k, v := range s.shards[i].values {
			switch v.kind {
			case isSet:
				sets[k] = v.order
			case isList:
				lists[k] = v.items
			default:
				str[k] = v.str
			}
		}
	}
	return str, sets, lists
}

func TestForgetDropsAQuarterOfASet(t *testing.T) {
	s := newStore()
	for i := range 40 {
		s.apply(&record{op: opAdd, key: []byte("s"), args: [][]byte{fmt.Append(nil, i)}})
	}
	s.apply(&record{op: opForget})
	if members, _ := s.smembers([]byte("s")); len(members) != 30 {
		t.Fatalf("%d elements", len(members))
	}
	if res := s.apply(&record{op: opAdd, key: []byte("s"), args: [][]byte{[]byte("0")}}); res.n != 1 {
		t.Fatal("element 0 is still there")
	}
}
