package results

import (
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

// asked is whether anybody asked: of which kinds operations were acknowledged.
// What nobody looked for was not found, and that says nothing.
type asked struct {
	acked     [history.Kinds]bool
	looked    [1 << 7]bool // by node: a read of any kind was answered there
	delivered bool         // a message came out of a queue
	txnRead   bool         // a transaction that was committed had read a list
}

func (a *asked) add(op *history.Op) {
	if op.Kind == history.Drain && len(op.Elements) > 0 || op.Kind == history.Dequeue && op.Value != history.Nil {
		a.delivered = true
	}
	if op.Outcome != history.OK || int(op.Kind) >= history.Kinds {
		return
	}
	a.acked[op.Kind] = true
	if op.Node >= 0 && (op.Kind == history.Read || op.Kind == history.ReadSet || op.Kind == history.Poll) {
		a.looked[op.Node] = true
	}
	if op.Kind == history.Txn && !a.txnRead {
		micros, _ := history.Micros(op.Elements)
		for i := range micros {
			a.txnRead = a.txnRead || micros[i].Read && micros[i].Known
		}
	}
}

// need is a condition without which the absence of something says nothing.
type need struct {
	met func(*asked) bool
	why string // it is unknown otherwise
}

func kinds(why string, list ...history.Kind) need {
	return need{func(a *asked) bool {
		for _, k := range list {
			if a.acked[k] {
				return true
			}
		}
		return false
	}, why}
}

var (
	needRead      = kinds("no read was answered", history.Read)
	needWrite     = kinds("no write was acknowledged", history.Write, history.CAS)
	needReadOrCAS = kinds("no read and no compare-and-set was answered", history.Read, history.CAS)
	needCAS       = kinds("no compare-and-set was acknowledged", history.CAS)
	needReadSet   = kinds("no set was read", history.ReadSet)
	needAdd       = kinds("no element was acknowledged", history.Add)
	needEnqueue   = kinds("no message was acknowledged", history.Enqueue)
	needDelivery  = need{func(a *asked) bool { return a.delivered }, "no message was delivered"}
	needTxn       = kinds("no transaction was committed", history.Txn)
	needTxnRead   = need{func(a *asked) bool { return a.txnRead }, "no transaction that was committed had read a list"}
	needIncrement = kinds("no increment was acknowledged", history.Increment)
	needGenerate  = kinds("no number was given out", history.Generate)
	needBalances  = kinds("no balances were read", history.Balances)
	needMark      = kinds("no marker was acknowledged", history.Mark)
)

// needs says what has to have been asked for a fact to be the absence of
// something. <node> stands for any node, which has to have answered itself; the
// last row that matches a name by its beginning counts.
var needs = []struct {
	prefix string
	needs  []need
}{
	{"reads.", []need{needRead}},
	{"reads.ok", nil},
	{"linearizable", []need{needReadOrCAS}},
	{"linearizable.keys", nil},
	{"sessions.", []need{needRead}},
	{"sessions.read_your_writes", []need{needRead, needWrite}},
	{"sessions.monotonic_writes", []need{needRead, needWrite}},
	{"sessions.writes_follow_reads", []need{needRead, needWrite}},
	{"writes.lost", []need{needWrite}},
	{"writes.undecided", []need{needWrite}},
	{"writes.lost_updates", []need{needCAS}},
	{"writes.resurrected", []need{needReadOrCAS, needWrite}},
	{"set.", []need{needReadSet}},
	{"set.acked", nil},
	{"set.lost", []need{needAdd}},
	{"set.never_seen", []need{needAdd}},
	{"queue.", []need{needDelivery}},
	{"queue.enqueued", nil}, {"queue.dequeued", nil}, {"queue.drained", nil},
	{"queue.lost", []need{needEnqueue}},
	{"queue.undelivered", []need{needEnqueue}},
	{"append.", []need{needTxnRead}},
	{"append.txns", nil}, {"append.unknown", nil},
	{"append.lost", []need{needTxn}},
	{"counter.", []need{kinds("no counter was read", history.Read)}},
	{"counter.increments", nil}, {"counter.unknown", nil}, {"counter.reads", nil},
	{"counter.lost", []need{needIncrement}},
	{"ids.duplicated", []need{needGenerate}},
	{"bank.", []need{needBalances}},
	{"bank.transfers", nil}, {"bank.reads", nil},
	{"lag.", []need{needMark}},
	{"lag.markers", nil}, {"lag.server", nil},
}

// unasked makes unknown what says that nothing was found, of a log in which
// nobody could have found it.
func (a *asked) unasked(values []checkers.Value, nodes []string) {
	lost := "" // why it is not known how many writes were lost
	for i := range values {
		v := &values[i]
		fact, _ := claims.LookupFact(v.Name)
		absence := fact.Unit == checkers.Boolean && v.N != 0 || fact.Unit != checkers.Boolean && v.N == 0
		if !v.Known || !absence || v.AtLeast {
			continue
		}
		if why := a.lacks(v.Name, nodes); why != "" {
			*v = checkers.Value{Name: v.Name, Why: why + ", so nobody looked"}
			if strings.HasSuffix(v.Name, ".lost") {
				lost = v.Why
			}
		}
	}
	for i := range values {
		v := &values[i]
		switch rests := strings.HasPrefix(v.Name, "rpo."); {
		case lost == "" || !rests || !v.Known:
		case v.N == 0:
			*v = checkers.Value{Name: v.Name, Why: lost}
		default:
			v.AtLeast, v.AtMost, v.Why = true, 0, "at least; "+lost
		}
	}
}

// lacks says what nobody asked for; empty: the fact needs nothing that is missing.
func (a *asked) lacks(name string, nodes []string) string {
	var found []need
	for i := range needs {
		if strings.HasPrefix(name, needs[i].prefix) {
			found = needs[i].needs
		}
	}
	for _, n := range found {
		if !n.met(a) {
			return n.why
		}
	}
	words := strings.Split(name, ".")
	if len(found) > 0 && len(words) > 2 && (words[0] == "reads" || words[0] == "set") {
		for i, node := range nodes {
			if node == words[1] && i < len(a.looked) && !a.looked[i] {
				return "no read was answered by " + node
			}
		}
	}
	return ""
}
