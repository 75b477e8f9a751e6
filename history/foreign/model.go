package foreign

import (
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// model is a kind of object that histories are about: which functions its
// operations have, and what they mean for us.
type model struct {
	name     string
	workload string         // type of the workload that its history is read as
	object   history.Object // what its operations act on, by which the checkers are chosen
	about    string
	claims   []string          // what it promises
	actions  map[string]action // by function
}

// action is what a function does.
type action struct {
	kind   history.Kind
	asks   argument // what the invocation's value is
	tells  argument // what the completion's is
	factor int64    // of an increment
}

// argument is a meaning of a value.
type argument uint8

const (
	noValue    argument = iota
	oneValue            // written, added or read
	twoValues           // [old new]
	amount              // of an increment; nil is 1
	number              // a counter's
	manyValues          // a set, or what was drained
	micros              // of a transaction
	piece               // appended to a string
)

var (
	readOne = action{kind: history.Read, tells: oneValue}
	write   = action{kind: history.Write, asks: oneValue}
	remove  = action{kind: history.Write} // of nothing
	cas     = action{kind: history.CAS, asks: twoValues}
	addOne  = action{kind: history.Add, asks: oneValue}
	more    = action{kind: history.Increment, asks: amount, factor: 1}
	less    = action{kind: history.Increment, asks: amount, factor: -1}
	txn     = action{kind: history.Txn, asks: micros, tells: micros}
)

// models is the table of all models.
var models = []*model{
	{"register", "register", history.ObjectRegister, "registers that are read and written", []string{"linearizable"},
		map[string]action{"read": readOne, "write": write, "delete": remove}},
	{"cas-register", "register", history.ObjectRegister, "registers with compare-and-set, such as Maelstrom's lin-kv", []string{"linearizable"},
		map[string]action{"read": readOne, "write": write, "delete": remove, "cas": cas}},
	{"kv", "register", history.ObjectRegister, "porcupine's key-value store: get, put, and append to a string", []string{"linearizable"},
		map[string]action{"get": readOne, "put": write, "delete": remove, "append": {kind: history.CAS, asks: piece}}},
	{"set", "set", history.ObjectSet, "sets that grow, such as Maelstrom's g-set and broadcast", []string{"set.lost == 0", "set.phantom == 0"},
		map[string]action{"add": addOne, "broadcast": addOne, "read": {kind: history.ReadSet, tells: manyValues}}},
	{"queue", "queue", history.ObjectQueue, "queues of messages", []string{"queue.lost == 0", "queue.unexpected == 0"},
		map[string]action{"enqueue": {kind: history.Enqueue, asks: oneValue}, "dequeue": {kind: history.Dequeue, tells: oneValue},
			"drain": {kind: history.Drain, tells: manyValues}}},
	{"append", "append", history.ObjectList, "transactions that append to lists and read lists", []string{"append.strict_serializable"},
		map[string]action{"txn": txn}},
	{"counter", "counter", history.ObjectCounter, "counters, such as Maelstrom's g-counter and pn-counter: reads lie within what the increments allow", []string{"counter.out_of_bounds == 0"},
		map[string]action{"add": more, "increment": more, "inc": more, "decrement": less, "dec": less,
			"read": {kind: history.Read, tells: number}}},
	{"unique-ids", "unique-ids", history.ObjectIDs, "unique numbers or ids that are given out", []string{"ids.duplicated == 0"},
		map[string]action{"generate": {kind: history.Generate, tells: oneValue}}},
}

// notSupported says of functions that are known why they are not judged.
var notSupported = map[string]string{
	"send": "histories of Kafka's kind (send, poll) are not supported", "poll": "histories of Kafka's kind (send, poll) are not supported",
	"assign": "histories of Kafka's kind are not supported", "subscribe": "histories of Kafka's kind are not supported",
	"transfer": "bank histories (transfer) are not supported", "acquire": "locks are not supported", "release": "locks are not supported",
}

// ignored are functions without an effect: Maelstrom's echo.
var ignored = map[string]bool{"echo": true}

// Models lists the names of the models.
func Models() []string {
	names := make([]string, len(models))
	for i, m := range models {
		names[i] = m.name
	}
	return names
}

func findModel(name string) *model {
	for _, m := range models {
		if m.name == name {
			return m
		}
	}
	return nil
}

// modelOf is the model by which the history of a workload that acts on an object
// is read.
func modelOf(object history.Object) *model {
	if object == history.ObjectRegister {
		return findModel("cas-register")
	}
	for _, m := range models {
		if m.object == object {
			return m
		}
	}
	return nil
}

// Reads tells whether some model reads the history of workloads that act on an
// object.
func Reads(object history.Object) bool { return modelOf(object) != nil }

// Help lists the models with what they are about, one a line, and what they
// promise in the next.
func Help() string {
	var b strings.Builder
	for _, m := range models {
		fmt.Fprintf(&b, "  %-13s%s\n%15s%s\n", m.name, m.about, "", strings.Join(m.claims, ", "))
	}
	return b.String()
}

// Claims are what the history's model promises. Where it is not known when
// transactions began, it is the strongest level that does not rest on that.
func (i *Import) Claims() []string {
	if i.Log.Doubts.Begins != "" && i.Model == "append" {
		return []string{"append.serializable"}
	}
	return findModel(i.Model).claims
}

// ModelNames is Models for a message.
func ModelNames() string { return strings.Join(Models(), ", ") }
