package kit

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/history"
)

func TestListsRun(t *testing.T) {
	var request []int64
	for _, m := range []history.Micro{{Key: 3, Read: true}, {Key: 3, Value: 7}, {Key: 3, Read: true}, {Key: 1, Read: true}} {
		request = history.AppendMicro(request, m)
	}
	op := history.Op{Kind: history.Txn, Elements: request}
	l, ok := NewLists(&op)
	if !ok || !slices.Equal(l.Keys, []uint32{3, 1}) || !l.Changed[3] || l.Changed[1] || !l.Writes() {
		t.Fatalf("%+v, %v", l, ok)
	}
	state := map[uint32][]int64{3: {5}}
	got, ok := history.Micros(l.Run(state))
	want := []history.Micro{{Key: 3, Read: true, Known: true, List: []int64{5}}, {Key: 3, Value: 7},
		{Key: 3, Read: true, Known: true, List: []int64{5, 7}}, {Key: 1, Read: true, Known: true, List: []int64{}}}
	if !ok || !reflect.DeepEqual(got, want) || !slices.Equal(state[3], []int64{5, 7}) {
		t.Errorf("%v, want %v; lists %v", got, want, state)
	}
	if _, ok := NewLists(&history.Op{Elements: []int64{1}}); ok {
		t.Error("a malformed transaction is taken")
	}
}

func TestListsAsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(rapid.Int64()).Draw(t, "list")
		got, err := SplitList(JoinList(list))
		if err != nil || !slices.Equal(got, list) {
			t.Fatalf("%v became %v, %v", list, got, err)
		}
	})
	if _, err := SplitList("1,x"); err == nil {
		t.Error("junk is taken for a list")
	}
}
