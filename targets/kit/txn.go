package kit

import (
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// IsTxn tells whether an operation takes several statements in a database: it
// reads and writes several rows, or a row that it has to read first.
func IsTxn(k history.Kind) bool {
	switch k {
	case history.Txn, history.Transfer, history.Balances, history.Increment, history.Generate:
		return true
	}
	return false
}

// Lists works a transaction off on lists that were read from the target, for
// targets that keep a list as one text.
type Lists struct {
	Keys    []uint32        // in order of first use
	Changed map[uint32]bool // those appended to
	micros  []history.Micro
}

// NewLists takes the request of a Txn; ok is false if it is malformed.
func NewLists(op *history.Op) (l Lists, ok bool) {
	if l.micros, ok = history.Micros(op.Elements); !ok {
		return l, false
	}
	l.Changed = map[uint32]bool{}
	seen := map[uint32]bool{}
	for _, m := range l.micros {
		if !seen[m.Key] {
			seen[m.Key] = true
			l.Keys = append(l.Keys, m.Key)
		}
		l.Changed[m.Key] = l.Changed[m.Key] || !m.Read
	}
	return l, true
}

// Writes tells whether the transaction appends anything.
func (l *Lists) Writes() bool {
	for _, changed := range l.Changed {
		if changed {
			return true
		}
	}
	return false
}

// Run does the operations on the lists, which it changes, and gives the
// encoded answer.
func (l *Lists) Run(lists map[uint32][]int64) []int64 {
	var answer []int64
	for _, m := range l.micros {
		if m.Read {
			m.Known, m.List = true, lists[m.Key]
		} else {
			lists[m.Key] = append(lists[m.Key], m.Value)
		}
		answer = history.AppendMicro(answer, m)
	}
	return answer
}

// JoinList is a list as text, "1,2,3".
func JoinList(list []int64) string {
	var b strings.Builder
	for i, v := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(v, 10))
	}
	return b.String()
}

// SplitList is the list of a text of JoinList.
func SplitList(text string) ([]int64, error) {
	if text == "" {
		return nil, nil
	}
	var list []int64
	for part := range strings.SplitSeq(text, ",") {
		v, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}
