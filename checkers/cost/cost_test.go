package cost

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = checktest.Ms

// figures are what a sample has.
type figures map[usage.Figure]int64

func sample(at int64, node int, f figures) usage.Sample {
	s := usage.Sample{At: at * ms, Node: node, Set: usage.None()}
	for figure, n := range f {
		s.Set[figure] = n
	}
	return s
}

// measured is a run that was measured from 1 s to 3 s with 4 acknowledged writes,
// and with one node for each list of samples.
func measured(samples ...usage.Sample) *history.Log {
	log := checktest.Faulted(checktest.LogOf(checktest.RegisterType,
		checktest.Write(1, 100, 200, checktest.Warm), checktest.Write(2, 990, 1010), checktest.Write(3, 1100, 1200), checktest.Write(4, 2000, 2100), checktest.Write(5, 2900, 2990),
		checktest.Read(5, 2990, 2999), checktest.Write(6, 2500, 2600, checktest.Unknown), checktest.Write(7, 2990, 3100), checktest.Read(7, 3200, 3300, checktest.Final)),
		checktest.Phase("measure", 1000), checktest.Phase("heal", 3000), checktest.Phase("end", 4000))
	log.Meta.Nodes = []string{"n1", "n2"}
	log.Usage = samples
	return log
}

func check(t testing.TB, log *history.Log) map[string]checkers.Value {
	t.Helper()
	values, _ := checktest.CheckWith(t, log, []checkers.Checker{Checker()})
	return values
}

// TestCost: amounts of known size, sampled where the measured phase begins and ends.
func TestCost(t *testing.T) {
	at := func(at, n int64) []usage.Sample {
		return []usage.Sample{
			sample(at, 0, figures{usage.CPU: 1000 * n, usage.Memory: 100 + n, usage.DiskWritten: 40 * n, usage.NetIn: 3 * n, usage.NetOut: 5 * n, usage.NetDoubt: n, usage.Agent: 0}),
			sample(at, 1, figures{usage.CPU: 200 * n, usage.Memory: 50 - n, usage.DiskWritten: 4 * n, usage.NetIn: 8 * n, usage.NetOut: 0, usage.NetDoubt: 0, usage.Agent: 0}),
			sample(at, usage.Machine, figures{usage.CPU: int64(time.Second) * n / 10, usage.Steal: int64(time.Second) * n / 100, usage.Threads: 2}),
			sample(at, usage.Harness, figures{usage.CPU: int64(time.Second) * n / 20}),
		}
	}
	log := measured(slices.Concat(at(500, 3), at(1000, 10), at(2000, 20), at(3000, 30), at(3500, 99))...)
	log.Prices = &usage.Prices{CPUHour: 3600, GBMonth: 1e9, NetworkGB: 0}
	values := check(t, log)
	// 20 of n in the phase: 24,000 ns of processor time and so on, for 4 writes.
	checktest.Expect(t, values, "cost.cpu.per_write=6000 cost.disk.per_write=220 cost.syncs.per_write=? cost.n1.cpu=20000 cost.n2.cpu=4000 cost.n1.memory=130 cost.n2.memory=40 "+
		"cost.n1.disk=800 cost.n2.network=160 machine.cpu.used=0.5 machine.cpu.steal=0.05")
	for name, want := range map[string][2]float64{"cost.network.per_write": {75, 80}, "cost.memory": {150, 150},
		"cost.money.per_million": {1e6 * (24000/1e9 + 880) / 4, 1e6 * (24000/1e9 + 880) / 4},
		"machine.cpu.others":     {0.25 - 24000/4e9, 0.25 - 24000/4e9},
		"cost.n1.network":        {140, 160}, // less headers that may be the control channel's
	} {
		least, most := values[name].Bounds()
		if math.Abs(least-want[0]) > 1e-6*math.Max(1, want[0]) || math.Abs(most-want[1]) > 1e-6*math.Max(1, want[1]) {
			t.Errorf("%s is %g to %g, not %g to %g", name, least, most, want[0], want[1])
		}
	}
}

// TestUnknownCosts: what nobody sampled, what one node does not tell, what is not
// bounded, and what nothing was acknowledged for.
func TestUnknownCosts(t *testing.T) {
	expect := func(log *history.Log, fact, why string) {
		t.Helper()
		if v := check(t, log)[fact]; v.Known || !strings.Contains(v.Why, why) {
			t.Errorf("%s is %+v, and should not be known: %s", fact, v, why)
		}
	}
	expect(measured(), "cost.cpu.per_write", "nobody sampled")
	expect(measured(), "cost.n1.cpu", "nobody sampled")
	expect(measured(), "machine.cpu.others", "nobody sampled")
	two := func(f usage.Figure, nodes ...int) (list []usage.Sample) {
		for _, n := range nodes {
			list = append(list, sample(1000, n, figures{f: 5}), sample(3000, n, figures{f: 15}))
		}
		return list
	}
	expect(measured(two(usage.CPU, 0)...), "cost.cpu.per_write", "n2 does not tell")
	expect(measured(two(usage.CPU, 0, 1)...), "cost.disk.per_write", "n1 does not tell")
	expect(measured(two(usage.CPU, 0, 1)...), "cost.money.per_million", "prices")
	log := measured(two(usage.CPU, 0, 1)...)
	log.Ops = nil
	expect(log, "cost.cpu.per_write", "no write")
	expect(checktest.Torn(measured(two(usage.CPU, 0, 1)...)), "cost.cpu.per_write", "torn")

	// A server that ended took its last count with it.
	log = measured(two(usage.Syncs, 0, 1)...)
	if v := check(t, log)["cost.syncs.per_write"]; !v.Known || v.AtLeast || v.N != 5 {
		t.Errorf("of 20 syncs for 4 writes it is %+v", v)
	}
	checktest.Faulted(log, history.Event{At: 2000 * ms, Kind: history.EventExit, Node: "n2"})
	if v := check(t, log)["cost.syncs.per_write"]; !v.AtLeast || v.AtMost != 0 || v.N != 5 {
		t.Errorf("after the end of a server it is %+v", v)
	}

	// Samples that end within the phase tell a lower bound, and no more.
	log = measured(sample(1000, 0, figures{usage.CPU: 0}), sample(2000, 0, figures{usage.CPU: 8}), sample(1000, 1, figures{usage.CPU: 0}), sample(2000, 1, figures{usage.CPU: 8}))
	v := check(t, log)["cost.cpu.per_write"]
	if least, most := v.Bounds(); least != 4 || !math.IsInf(most, 1) {
		t.Errorf("of half the phase it is %+v", v)
	}
}

// TestFewerSamples: a sample less never brings bounds together, and never has a
// value known that was not.
func TestFewerSamples(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		var all []usage.Sample
		total := [2]int64{}
		for at := r.Int64N(400); at < 4000; at += 1 + r.Int64N(600) {
			for n := range 2 {
				total[n] += r.Int64N(100)
				all = append(all, sample(at, n, figures{usage.CPU: total[n], usage.NetIn: total[n], usage.NetOut: 2 * total[n], usage.NetDoubt: total[n] / 10, usage.DiskWritten: 1 + total[n]}))
			}
		}
		before := check(t, measured(all...))
		cut := r.IntN(len(all))
		after := check(t, measured(slices.Delete(slices.Clone(all), cut, cut+1)...))
		for _, name := range []string{"cost.cpu.per_write", "cost.network.per_write", "cost.disk.per_write", "cost.n1.cpu", "cost.n2.network"} {
			least, most := before[name].Bounds()
			now, nowMost := after[name].Bounds()
			if after[name].Known && now > least || nowMost < most {
				t.Fatalf("%s was %g to %g and is %g to %g with a sample less", name, least, most, now, nowMost)
			}
		}
	}
}
