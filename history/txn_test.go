package history

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestMicrosRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var e []int64
		var want []Micro
		for range rapid.IntRange(0, 6).Draw(t, "micros") {
			m := Micro{Key: rapid.Uint32().Draw(t, "key"), Read: rapid.Bool().Draw(t, "read")}
			switch {
			case !m.Read:
				m.Value = rapid.Int64().Draw(t, "value")
			case rapid.Bool().Draw(t, "known"):
				m.Known, m.List = true, rapid.SliceOf(rapid.Int64()).Draw(t, "list")
			}
			want = append(want, m)
			e = AppendMicro(e, m)
		}
		got, ok := Micros(e)
		if len(e) > 0 && !ok || len(got) != len(want) {
			t.Fatalf("%v, %v, want %v", got, ok, want)
		}
		for i := range got {
			if len(got[i].List) == 0 && len(want[i].List) == 0 {
				got[i].List, want[i].List = nil, nil
			}
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("%v, want %v", got[i], want[i])
			}
		}
	})
}

func FuzzMicros(f *testing.F) {
	f.Add([]byte{2, 1, 1, 2, 7, 8})
	f.Add([]byte{1, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		e := make([]int64, len(data))
		for i, b := range data {
			e[i] = int64(int8(b))
		}
		all, ok := Micros(e)
		if !ok {
			return
		}
		var again []int64
		for _, m := range all {
			again = AppendMicro(again, m)
		}
		if len(e) > 0 && !reflect.DeepEqual(e, again) {
			t.Fatalf("%v became %v", e, again)
		}
	})
}
