package redis

import (
	"fmt"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
)

// TestValuesWithAPayload: a value goes out and comes back whole; one that is cut
// off or changed is read as torn, which nobody wrote, and breaks no connection.
func TestValuesWithAPayload(t *testing.T) {
	p := payload.New(payload.Spec{Size: 100}, 1)
	bulk := func(text []byte) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }
	whole := p.Append(nil, 7)
	changed := append([]byte(nil), whole...)
	changed[50] ^= 1
	for _, c := range []struct {
		name   string
		answer string
		want   int64
	}{
		{"whole", bulk(whole), 7}, {"cut off", bulk(whole[:60]), history.Torn}, {"changed", bulk(changed), history.Torn},
		{"without its payload", bulk([]byte("7")), history.Torn}, {"missing", "$-1\r\n", history.Nil},
	} {
		client := (&servers{}).newClient(fake(t, answers{"GET": {c.answer}, "EVAL": {"*2\r\n:0\r\n" + c.answer}}), time.Second)
		client.values = payload.Table{nil, p}
		op := history.Op{Kind: history.Read, Workload: 1}
		if client.Do(t.Context(), &op); op.Value != c.want || op.Outcome != history.OK || client.Broken() {
			t.Errorf("%s: %d, %s", c.name, op.Value, op.Outcome)
		}
		cas := history.Op{Kind: history.CAS, Workload: 1, Old: 5, Value: 6}
		if client.Do(t.Context(), &cas); cas.Observed != c.want || cas.Error != history.ErrCompare {
			t.Errorf("%s: a comparison sees %d, %s", c.name, cas.Observed, cas.Error)
		}
		_ = client.Close()
	}
}
