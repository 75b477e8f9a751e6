package all

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// TestMergedPercentiles: the percentiles of what three drivers did are those of what one
// would have measured, as a histogram tells them: they are merged, never averaged, and
// each driver's latencies are of its own clock.
func TestMergedPercentiles(t *testing.T) {
	const precision = 0.001 // of the histograms: three digits
	r := rand.New(rand.NewPCG(1, 2))
	var ops []history.Op
	for i := range 30_000 {
		at := int64(i) * 100_000
		took := int64(200_000 * math.Exp(r.NormFloat64()))
		if i%64 < 21 { // one driver's clients are slow ones
			took *= 8
		}
		ops = append(ops, history.Op{Kind: history.Write, Outcome: history.OK, Value: int64(i + 1), Key: uint32(i % 50), Process: uint32(i % 64), Intended: at, Start: at + 1000, End: at + took})
	}
	truth := logOf(registerType, ops...)
	truth.Events = []history.Event{{Kind: history.EventPhase, Detail: "measure"}, {Kind: history.EventPhase, Detail: "heal", At: 4e9}}
	history.Sort(truth.Ops)
	one, three := map[string]float64{}, map[string]float64{}
	for into, log := range map[*map[string]float64]*history.Log{&one: truth, &three: driven(r, truth, 3, false)} {
		for _, v := range checkers.Run(t.Context(), log, checkers.Limits{Workers: 1}, All()).Values {
			if strings.Contains(v.Name, "latency") && v.Known {
				(*into)[v.Name] = v.N
			}
		}
	}
	compared := 0
	for name, want := range one {
		if got, told := three[name]; !told || math.Abs(got-want) > precision*want+1000 {
			t.Errorf("%s is %v of three drivers, and %v of one", name, got, want)
		}
		compared++
	}
	if compared < 5 {
		t.Errorf("only %d percentiles were compared: %v", compared, one)
	}
}
