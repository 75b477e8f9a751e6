package history

import (
	"cmp"
	"encoding/json"
)

// Object is what the operations of a workload act on. It decides which checkers
// judge them, whatever the workload is called and however it mixes them.
type Object string

const (
	ObjectRegister Object = "register" // holds a value; read, written, compared and set
	ObjectSet      Object = "set"      // grows by elements; read whole
	ObjectQueue    Object = "queue"    // of messages, enqueued and dequeued
	ObjectList     Object = "list"     // grows at its end; read and appended to in transactions
	ObjectCounter  Object = "counter"  // incremented and read
	ObjectIDs      Object = "ids"      // a source of unique numbers
	ObjectAccounts Object = "accounts" // of one bank, between which money is moved
	ObjectMarker   Object = "marker"   // a growing number, written to the primary and looked for everywhere
)

// OpeningBalance is what every account holds before it is touched. No operation
// writes it: a target takes an account that is not there to hold it.
const OpeningBalance = 100

// typeObjects are the objects of those types of workloads that act on the same
// one always: a file does not tell it.
var typeObjects = map[string]Object{
	"register": ObjectRegister, "set": ObjectSet, "queue": ObjectQueue, "append": ObjectList,
	"counter": ObjectCounter, "unique-ids": ObjectIDs, "bank": ObjectAccounts, "lag": ObjectMarker,
	"ycsb-a": ObjectRegister, "ycsb-b": ObjectRegister, "ycsb-c": ObjectRegister, "ycsb-d": ObjectRegister, "ycsb-e": ObjectRegister, "ycsb-f": ObjectRegister,
}

// ActsOn is the workload's object: Object, or what Type says where that is
// empty. It is empty of a type that is not known.
func (w WorkloadMeta) ActsOn() Object { return cmp.Or(w.Object, typeObjects[w.Type]) }

// MarshalJSON leaves the object out where it is what Type says.
func (w WorkloadMeta) MarshalJSON() ([]byte, error) {
	type plain WorkloadMeta
	if w.Object == typeObjects[w.Type] {
		w.Object = ""
	}
	return json.Marshal(plain(w))
}
