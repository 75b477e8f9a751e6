package usage

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func sample(at int64, node int, cpu, memory int64) Sample {
	s := Sample{At: at, Node: node, Set: None()}
	s.Set[CPU], s.Set[Memory] = cpu, memory
	return s
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	w, err := Create(path, []string{"n1", "n2"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Sample{sample(1, 0, 5, 7), sample(2, 1, 0, Unknown), sample(2, Harness, 9, 9), sample(3, Machine, 10, Unknown)}
	for _, s := range want {
		if err := w.Append(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(want[0]); err == nil {
		t.Error("a closed file took a sample")
	}
	slices.SortStableFunc(want, func(a, b Sample) int { return int(a.At - b.At) })
	if got, err := Read(path, []string{"n1", "n2"}); err != nil || !slices.Equal(got, want) {
		if err != nil || len(got) != len(want) {
			t.Fatalf("got %v, %v", got, err)
		}
		for _, s := range want {
			if !slices.Contains(got, s) {
				t.Errorf("%v is missing in %v", s, got)
			}
		}
	}
	if got, err := Read(path, []string{"n2"}); err != nil || len(got) != 3 {
		t.Errorf("without n1: %v, %v", got, err)
	}
	if got, err := Read(path+"x", nil); err != nil || got != nil {
		t.Errorf("no file: %v, %v", got, err)
	}
	// Cut anywhere, it gives the whole lines before the cut.
	text, _ := os.ReadFile(path)
	first := strings.IndexByte(string(text), '\n') + 1
	for cut := range first {
		if got, err := decode(strings.NewReader(string(text[:cut])), []string{"n1", "n2"}); err != nil || got != nil {
			t.Fatalf("cut at %d, in the line of names: %v, %v", cut, got, err)
		}
	}
	for cut := first; cut <= len(text); cut++ {
		got, err := decode(strings.NewReader(string(text[:cut])), []string{"n1", "n2"})
		if lines := strings.Count(string(text[first:cut]), "\n"); err != nil || len(got) < lines || len(got) > lines+1 {
			t.Fatalf("cut at %d of %d: %d samples, %v", cut, len(text), len(got), err)
		}
	}
	for _, bad := range []string{"x", "node,at_ns\n", "at_ns\n", "a\"b,c\n"} {
		if _, err := decode(strings.NewReader(bad), nil); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// TestWithinBounds: however seldom samples are, the bounds hold what was true, and
// fewer samples never bring them together.
func TestWithinBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var all []Sample
		used, total := []int64{0}, int64(0)
		for at := int64(1); at <= 100; at++ {
			total += r.Int64N(5)
			used = append(used, total)
			if r.IntN(4) == 0 {
				all = append(all, sample(at, 0, total, 0))
			}
		}
		begin := 1 + r.Int64N(50)
		end := begin + r.Int64N(50)
		truth := used[end] - used[begin]
		least, most, bounded, ok := Within(all, CPU, begin, end)
		if ok && (least > truth || bounded && most < truth) {
			t.Fatalf("%d is not in %d to %d (%v)", truth, least, most, bounded)
		}
		if len(all) == 0 {
			continue
		}
		at := r.IntN(len(all))
		fewer := slices.Delete(slices.Clone(all), at, at+1)
		less, more, still, told := Within(fewer, CPU, begin, end)
		if told && (!ok || less > least || still && (!bounded || more < most)) {
			t.Fatalf("with one sample less %d to %d (%v) became %d to %d (%v)", least, most, bounded, less, more, still)
		}
	}
}

// TestThin: of more samples than are kept the last and the greatest stay.
func TestThin(t *testing.T) {
	var all []Sample
	for i := range int64(101) {
		all = append(all, sample(i, int(i%3), i, (i*7919)%101))
	}
	thinner := thin(slices.Clone(all))
	if len(thinner) > 52 || len(thinner) < 50 {
		t.Errorf("%d samples became %d", len(all), len(thinner))
	}
	for node := range 3 {
		before, after := Of(all, node), Of(thinner, node)
		greatest, _ := Greatest(before, Memory, 0, 1000)
		if g, ok := Greatest(after, Memory, 0, 1000); !ok || g != greatest {
			t.Errorf("node %d: the greatest %d became %d", node, greatest, g)
		}
		slices.SortFunc(after, func(a, b Sample) int { return int(a.At - b.At) })
		if before[len(before)-1].Set[CPU] != after[len(after)-1].Set[CPU] {
			t.Errorf("node %d: the last became another", node)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("at_ns,node,cpu_ns\n1,n1,5\n2,(machine),7\n")
	f.Add("at_ns,node,cpu_ns,what\n1,n1,5,\"6\n")
	f.Fuzz(func(t *testing.T, text string) {
		samples, err := decode(strings.NewReader(text), []string{"n1"})
		if err == nil && !slices.IsSortedFunc(samples, func(a, b Sample) int { return int(min(max(a.At-b.At, -1), 1)) }) {
			for i := 1; i < len(samples); i++ {
				if samples[i].At < samples[i-1].At {
					t.Errorf("not in order: %v", samples)
				}
			}
		}
	})
}
