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
}

func (m *model) apply(r *record) {
	key := string(r.key)
	_, isSet := m.sets[key]
	switch r.op {
	case opSet:
		delete(m.sets, key)
		m.strings[key] = string(r.args[0])
	case opCAS:
		if v, ok := m.strings[key]; ok && v == string(r.args[0]) {
			m.strings[key] = string(r.args[1])
		}
	case opDel:
		delete(m.sets, key)
		delete(m.strings, key)
	case opIncr:
		v, ok := m.strings[key]
		n, err := strconv.Atoi(v)
		if !isSet && (!ok || err == nil) {
			m.strings[key] = strconv.Itoa(n + 1)
		}
	case opAdd:
		if _, ok := m.strings[key]; ok {
			return
		}
		for _, a := range r.args {
			if !slices.Contains(m.sets[key], string(a)) {
				m.sets[key] = append(m.sets[key], string(a))
			}
		}
	}
}

func drawLog(t *rapid.T) []frame {
	var frames []frame
	word := rapid.SampledFrom([]string{"1", "2", "3", "x"})
	for i := range rapid.IntRange(0, 120).Draw(t, "records") {
		key := []byte("k" + strconv.Itoa(rapid.IntRange(0, 5).Draw(t, "key")))
		o := rapid.SampledFrom([]op{opNoop, opSet, opCAS, opDel, opIncr, opAdd}).Draw(t, "op")
		args := [][]byte{[]byte(word.Draw(t, "a")), []byte(word.Draw(t, "b"))}
		frames = append(frames, encodeFrame(1, uint64(i+1), o, key, args...))
	}
	return frames
}

// TestApplyMatchesTheModel replays serially and in parallel.
func TestApplyMatchesTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frames := drawLog(t)
		want := &model{map[string]string{}, map[string][]string{}}
		for _, f := range frames {
			r, err := f.decode(nil)
			if err != nil {
				t.Fatal(err)
			}
			want.apply(&r)
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
			gotStrings, gotSets := dump(got)
			if !maps.Equal(gotStrings, want.strings) || !maps.EqualFunc(gotSets, want.sets, slices.Equal) {
				t.Fatalf("got %v %v, want %v %v", gotStrings, gotSets, want.strings, want.sets)
			}
		}
	})
}

func dump(s *store) (map[string]string, map[string][]string) {
	str, sets := map[string]string{}, map[string][]string{}
	for i := range s.shards {
		for k, v := range s.shards[i].values {
			if v.members != nil {
				sets[k] = v.order
			} else {
				str[k] = v.str
			}
		}
	}
	return str, sets
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
