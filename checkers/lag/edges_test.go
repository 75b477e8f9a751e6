package lag

import (
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// TestServerLagAtTheEdges takes answers of the very begin and end of measuring,
// and tells a 99th percentile from the greatest.
func TestServerLagAtTheEdges(t *testing.T) {
	log := faulted(logOf(registerType), phase("measure", 10), told("n1", "n2", 10, 300, -1), phase("heal", 80), told("n1", "n2", 80, 299, 1000))
	for i := range int64(198) {
		log.Events = append(log.Events, told("n1", "n2", 20, i, i), told("n3", "n2", 20, 1000, -1))
		log.Events[len(log.Events)-1].Kind = history.EventRole // tells no lag
		log.Events[len(log.Events)-2].At += i
	}
	values, _ := check(t, log)
	expect(t, values, "lag.server.p99=1.97e+08 lag.server.max=3e+08 lag.server.bytes.max=1000")
}

// TestToldFiguresOfOneReplica: the greatest figure stays, whatever comes after
// it, and a negative one is none.
func TestToldFiguresOfOneReplica(t *testing.T) {
	odd := told("n1", "n3", 30, 7, 3)
	*odd.Lag = -5
	got := ServerLagAnswers(faulted(logOf(registerType), named("write", told("n1", "n2", 20, 9, 60)), named("flush", told("n1", "n2", 20, 2, 50)), odd))
	want := []ServerLagAnswer{{Node: 1, At: 20 * ms, Source: "write", Time: 9 * ms, Bytes: 60}, {Node: 2, At: 30 * ms, Source: "replay", Time: -1, Bytes: 3}}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
