package register

import (
	"testing"
)

func TestLostCases(t *testing.T) {
	later := read(2, 1100, 1110, final)
	log := logOf(registerType, write(1, 0, 10), write(2, 20, 30), read(1, 1000, 1010, final), later)
	values, _ := check(t, log)
	expect(t, values, "writes.lost=0 replicas.diverged=?") // the last answer of a node counts

	log = logOf(registerType, write(1, 0, 10), read(1, 1000, 1010, final))
	log.Meta.Nodes = log.Meta.Nodes[:1]
	values, _ = check(t, log)
	expect(t, values, "writes.lost=0 replicas.diverged=0") // one node differs from no other
}
