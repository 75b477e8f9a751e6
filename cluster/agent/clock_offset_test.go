package agent

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The error of a clock offset is never above its bound, whatever the delays and drift.
func TestOffsetBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		origin := time.Now()
		ahead := rapid.Int64Range(0, int64(time.Hour)).Draw(t, "ahead")
		rate := rapid.Float64Range(-499e-6, 499e-6).Draw(t, "rate")
		agentAt := func(since time.Duration) int64 { return ahead + int64(float64(since)*(1+rate)) }
		var o clockOffset
		now := time.Duration(0)
		for range rapid.IntRange(1, 20).Draw(t, "samples") {
			now += time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "pause"))
			there := time.Duration(rapid.Int64Range(0, int64(50*time.Millisecond)).Draw(t, "there"))
			back := time.Duration(rapid.Int64Range(0, int64(50*time.Millisecond)).Draw(t, "back"))
			o.add(sample{sent: origin.Add(now), agent: agentAt(now + there), received: origin.Add(now + there + back)})
			now += there + back
			at := now + time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "later"))
			got, bound := o.toHarness(agentAt(at))
			if off := got.Sub(origin.Add(at)).Abs(); off > bound+time.Millisecond/100 {
				t.Fatalf("off by %s, bound %s", off, bound)
			}
			// The way to the agent and back is the identity.
			if back, _ := o.toHarness(o.toAgent(origin.Add(at))); back.Sub(origin.Add(at)).Abs() > time.Microsecond {
				t.Fatalf("%v became %v", origin.Add(at), back)
			}
		}
	})
}
