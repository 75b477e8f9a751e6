package judge

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/history/foreign"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

// randomLines makes the lines of a history of a model, without times: operations
// of a few clients that answer by chance, and perhaps a fault.
func randomLines(r *rand.Rand, model string, n int) []string {
	number := func() string { return fmt.Sprint(r.IntN(4)) }
	asks := map[string]func() (f, value string, answer func() string){
		"cas-register": func() (string, string, func() string) {
			switch r.IntN(3) {
			case 0:
				return "read", "nil", number
			case 1:
				v := number()
				return "write", v, func() string { return v }
			}
			v := fmt.Sprintf("[%s %s]", number(), number())
			return "cas", v, func() string { return v }
		},
		"set": func() (string, string, func() string) {
			if r.IntN(2) == 0 {
				return "read", "nil", func() string { return fmt.Sprintf("[%s %s]", number(), number()) }
			}
			v := number()
			return "add", v, func() string { return v }
		},
		"counter": func() (string, string, func() string) {
			if r.IntN(2) == 0 {
				return "read", "nil", number
			}
			v := number()
			return "add", v, func() string { return v }
		},
		"queue": func() (string, string, func() string) {
			if r.IntN(2) == 0 {
				return "dequeue", "nil", number
			}
			v := number()
			return "enqueue", v, func() string { return v }
		},
		"append": func() (string, string, func() string) {
			if r.IntN(2) == 0 {
				return "txn", "[[:r 0 nil] [:r 1 nil]]", func() string { return fmt.Sprintf("[[:r 0 [%s]] [:r 1 [%s]]]", number(), number()) }
			}
			v := fmt.Sprintf("[[:append %d %d]]", r.IntN(2), r.IntN(4))
			return "txn", v, func() string { return v }
		},
	}
	type call struct {
		f, value string
		answer   func() string
	}
	open := map[int]*call{}
	var lines []string
	entry := func(process any, kind, f, value string) {
		lines = append(lines, fmt.Sprintf("{:process %v, :type :%s, :f :%s, :value %s", process, kind, f, value))
	}
	for range n {
		if r.IntN(15) == 0 {
			f := []string{"start-partition", "stop-partition"}[r.IntN(2)]
			entry(":nemesis", "info", f, "nil")
			entry(":nemesis", "info", f, "nil")
			continue
		}
		p := r.IntN(3)
		c := open[p]
		if c == nil {
			c = &call{}
			c.f, c.value, c.answer = asks[model]()
			open[p] = c
			entry(p, "invoke", c.f, c.value)
			continue
		}
		delete(open, p)
		switch r.IntN(8) {
		case 0:
			entry(p, "fail", c.f, c.value)
		case 1:
			entry(p, "info", c.f, c.value)
		default:
			entry(p, "ok", c.f, c.answer())
		}
	}
	return lines
}

// withTimes ends the lines with times, which an empty text leaves out.
func withTimes(lines []string, times []string) string {
	var b strings.Builder
	for i, line := range lines {
		if b.WriteString(line); times[i] != "" {
			b.WriteString(", :time " + times[i])
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// randomTimes are times for n lines: good ones, with ties or without, and such
// as contradict the order of the lines or are none.
func randomTimes(r *rand.Rand, n int) (times []string, at []int64, contradict bool) {
	now, ties, bad := int64(r.IntN(1000)), r.IntN(2) == 0, r.IntN(2) == 0
	for i := range n {
		step := int64(1 + r.IntN(1_000_000_000))
		if ties && r.IntN(2) == 0 {
			step = 0
		}
		now += step
		text := fmt.Sprint(now)
		if bad && i > 0 && r.IntN(n) < 2 {
			text = []string{"", "nil", "-1", "0.25", fmt.Sprint(-5 - r.IntN(1000))}[r.IntN(5)]
			contradict = true
		}
		times, at = append(times, text), append(at, now)
	}
	return times, at, contradict
}

func measure(t *testing.T, text, model string) map[string]checkers.Value {
	t.Helper()
	i, err := foreign.Read(strings.NewReader(text), "h", foreign.Options{Model: model})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return results.Measure(t.Context(), i.Log, checkers.DefaultLimits, 1<<30).ByName()
}

// TestTimesOnlyMeasure: of random histories the times alone are changed, to ties,
// steps back, none. Every fact of order stays what it is; a duration is unknown
// where the times contradict the lines, and else right.
func TestTimesOnlyMeasure(t *testing.T) {
	checktest.Alone(t)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	contradictions, durations, violations := 0, 0, 0
	for n := range 100 {
		model := []string{"cas-register", "set", "counter", "queue", "append"}[n%5]
		lines := randomLines(r, model, 6+r.IntN(40))
		if !strings.Contains(strings.Join(lines, "\n"), ":process 0") && !strings.Contains(strings.Join(lines, "\n"), ":process 1") && !strings.Contains(strings.Join(lines, "\n"), ":process 2") {
			continue
		}
		want := measure(t, withTimes(lines, make([]string, len(lines))), model)
		for range 4 {
			times, at, contradict := randomTimes(r, len(lines))
			text := withTimes(lines, times)
			got := measure(t, text, model)
			if len(got) != len(want) {
				t.Fatalf("seed %d: %d facts, without times %d\n%s", seed, len(got), len(want), text)
			}
			for name, v := range got {
				fact, _ := claims.LookupFact(name)
				if fact.Unit == checkers.Nanos || fact.Unit == checkers.PerSec {
					if v.Known && contradict {
						t.Fatalf("seed %d: %s = %v, though times contradict the lines\n%s", seed, name, v.N, text)
					}
					if v.Known {
						durations++
					}
					continue
				}
				w := want[name]
				if v.Known != w.Known || v.N != w.N || v.AtLeast != w.AtLeast || v.AtMost != w.AtMost {
					t.Fatalf("seed %d: %s is %+v, without times %+v\n%s", seed, name, v, w, text)
				}
				if v.Known && v.N > 0 && strings.HasSuffix(name, ".stale") {
					violations++
				}
			}
			if contradict {
				contradictions++
				continue
			}
			if v := got["latency.max"]; v.Known && (v.N < longest(lines, at)-float64(len(lines)) || v.N > longest(lines, at)+float64(len(lines))) {
				t.Fatalf("seed %d: latency.max = %v, want %v\n%s", seed, v.N, longest(lines, at), text)
			}
		}
	}
	if contradictions < 40 || durations < 400 || violations < 5 {
		t.Errorf("one-sided: %d histories of contradicting times, %d durations, %d of stale reads", contradictions, durations, violations)
	}
}

// longest is how long the longest acknowledged operation took that is no final read.
func longest(lines []string, at []int64) float64 {
	most, begun, lastAdd := 0.0, map[string]int{}, -1
	for i, line := range lines {
		if strings.Contains(line, ":f :add") && strings.Contains(line, ":type :ok") {
			lastAdd = i
		}
	}
	for i, line := range lines {
		process, rest, _ := strings.Cut(line, ",")
		switch {
		case strings.Contains(rest, ":type :invoke"):
			begun[process] = i
		case strings.Contains(rest, ":type :ok"):
			if from := begun[process]; lastAdd < 0 || from < lastAdd || !strings.Contains(rest, ":f :read") {
				most = max(most, float64(at[i]-at[from]))
			}
		}
	}
	return most
}
