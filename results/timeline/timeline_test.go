package timeline

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/checkers/lag"
)

func TestNumbersAreShort(t *testing.T) {
	for _, tc := range []struct {
		name string
		v    any
		want string
	}{
		{"column", Column{1.5, 1.5, 1.5, math.NaN(), math.NaN(), 2, 12345.678, 0.000123456}, `[1.5,"2",null,"1",2,12350,0.0001235]`},
		{"empty", Column{}, `[]`},
		{"heat", heat{nil, {0, 3, 0, 7}, {}, {}, {5}}, `[-1,2,1,3,2,7,-2,1,0,5]`},
	} {
		got, err := json.Marshal(tc.v)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %s, %v", tc.name, got, err)
		}
	}
}

func TestBinsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.Int64Min(0).Draw(t, "span")
		if w := binWidth(span); w < leastBin || span/w > mostBins {
			t.Fatalf("a span of %d ns has bins of %d ns", span, w)
		}
	})
}

// TestPercentilesOfBins: the percentile of a bin is within its precision of the exact one.
func TestPercentilesOfBins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Int64Range(1000, 20e9), 1, 60).Draw(t, "xs")
		p := rapid.Float64Range(1, 100).Draw(t, "p")
		var b bin
		for _, x := range xs {
			b.record(x)
		}
		slices.Sort(xs)
		exact := float64(xs[min(max(int(math.Ceil(p/100*float64(len(xs)))), 1), len(xs))-1]) / 1e6
		if got := b.at(p); got < exact*0.975 || got > exact*1.025 {
			t.Fatalf("p%v of %v is %v, exactly %v", p, xs, got, exact)
		}
	})
}

// TestBehindAgreesWithDefinition compares the one pass with a look at every
// span for every instant.
func TestBehindAgreesWithDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var spans []lag.LagSpan
		for range rapid.IntRange(0, 8).Draw(t, "spans") {
			s := lag.LagSpan{Acked: rapid.Int64Range(0, 60).Draw(t, "acked")}
			s.Visible = s.Acked + rapid.Int64Range(0, 40).Draw(t, "lag")
			if s.Visible == 100 {
				s.Visible = math.MaxInt64
			}
			spans = append(spans, s)
		}
		first, width := rapid.Int64Range(0, 10).Draw(t, "first"), rapid.Int64Range(1, 9).Draw(t, "width")
		ended := slices.Clone(spans)
		for i := range ended {
			ended[i].Visible = min(ended[i].Visible, max(100, ended[i].Acked))
		}
		slices.SortFunc(ended, func(a, b lag.LagSpan) int { return cmp.Compare(a.Visible, b.Visible) })
		got := behind(ended, first, width, 12)
		for b, x := range got {
			from, to := first+int64(b)*width, first+int64(b+1)*width
			want := int64(-1)
			for _, s := range spans {
				if end := min(s.Visible, 100); s.Acked < to && end >= from {
					want = max(want, min(end, to)-s.Acked)
				}
			}
			if math.IsNaN(x) != (want < 0) || want >= 0 && math.Round(x*1e6) != float64(want) {
				t.Fatalf("bucket %d [%d, %d) of %v is %v ns, want %d", b, from, to, spans, x*1e6, want)
			}
		}
	})
}

// A lane says that nothing was acknowledged where that cannot be chance: longer than is
// usual at this rate, or where something else came of operations.
func TestSilences(t *testing.T) {
	lane := func(every int, odd map[int]bin, without func(i int) bool) string {
		o := &overTime{width: 10e6}
		bins := make([]bin, 500)
		for i := range bins {
			if i%every == 0 && !without(i) {
				bins[i].ok = 1
			}
			if b, ok := odd[i]; ok {
				bins[i] = b
			}
		}
		o.bins[reads] = bins
		var states []string
		for _, s := range clientLane(reads, o).Segments {
			states = append(states, string(s.State))
		}
		return strings.Join(states, " ")
	}
	never := func(int) bool { return false }
	for _, c := range []struct {
		name, want string
		got        string
	}{
		{"seldom, by the rate", "served", lane(30, nil, never)},
		{"seldom, and a failure in between", "served refused served", lane(30, map[int]bin{45: {failed: 1}}, never)},
		{"often, and a gap", "served refused served", lane(1, nil, func(i int) bool { return i >= 200 && i < 230 })},
		{"often, and a short gap", "served", lane(1, nil, func(i int) bool { return i >= 200 && i < 208 })},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.name, c.got, c.want)
		}
	}
}
