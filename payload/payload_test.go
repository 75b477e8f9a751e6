package payload

import (
	"bytes"
	"compress/flate"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
)

const first = 1 << 40 // as workloads have their values

func anySpec(t *rapid.T) Spec {
	size := func(name string) schema.Bytes {
		return schema.Bytes(rapid.OneOf(rapid.IntRange(Least, 64), rapid.IntRange(Least, 5000)).Draw(t, name))
	}
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return Spec{}
	case 1:
		return Spec{Size: size("size")}
	case 2:
		a, b := size("a"), size("b")
		return Spec{Min: min(a, b), Max: max(a, b)}
	}
	return Spec{Sizes: map[string]int{size("one").String(): rapid.IntRange(1, 9).Draw(t, "weight"), "6kB": rapid.IntRange(0, 9).Draw(t, "other")}}
}

func anyValue(t *rapid.T) int64 {
	return rapid.OneOf(rapid.Int64Range(first, first+5000), rapid.Int64Range(1, 4097<<40), rapid.Int64Range(1, 9)).Draw(t, "value")
}

// TestValuesComeBack: a value is as long as it says, the same every time, and read
// as its number; what stood in the memory before it stays.
func TestValuesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec, v := anySpec(t), anyValue(t)
		if err := spec.Check(); err != nil {
			t.Fatal(err)
		}
		p := New(spec, 7)
		text := p.Append([]byte("before"), v)
		again := New(spec, 7).Append(bytes.Repeat([]byte{0xff}, 9000)[:0], v)
		text, kept := bytes.CutPrefix(text, []byte("before"))
		if !kept || !bytes.Equal(text, again) {
			t.Fatalf("%q and %q", text, again)
		}
		if p != nil && len(text) != p.Size(v) || len(text) > int(max(spec.Largest(), 20)) {
			t.Fatalf("%d bytes in place of %d, at most %s", len(text), p.Size(v), spec.Largest())
		}
		if got, err := p.Parse(text); got != v || err != nil {
			t.Fatalf("%q is read as %d, %v", text, got, err)
		}
		if strings.Trim(string(text), ":0123456789;<=>?@ABCDEFGHIJKLMNO]^_`abcdefghijklmnopqrstuvwxyz{|") != "" {
			t.Fatalf("%q would have to be escaped", text)
		}
	})
}

// TestNoTornValueIsTakenForWhole: cut off anywhere, with any byte another, with a
// part of another value, or with something behind it, it is torn.
func TestNoTornValueIsTakenForWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := New(Spec{Min: 20, Max: 200}, rapid.Uint64().Draw(t, "seed"))
		v, other := rapid.Int64Range(first, first+1000).Draw(t, "value"), rapid.Int64Range(first, first+1000).Draw(t, "other")
		whole, second := p.Append(nil, v), p.Append(nil, other)
		at := rapid.IntRange(0, len(whole)-1).Draw(t, "at")
		torn := map[string][]byte{"cut off": whole[:at], "longer": append(slices.Clone(whole), whole[at]), "two numbers": append([]byte("0"), whole...)}
		torn["changed"] = slices.Clone(whole)
		torn["changed"][at] ^= rapid.Byte().Filter(func(b byte) bool { return b != 0 }).Draw(t, "bits")
		if at > 0 && at < len(second) && other != v {
			torn["mixed"] = slices.Concat(whole[:at], second[at:])
		}
		for how, text := range torn {
			got, err := p.Parse(text)
			if bytes.Equal(text, second) || bytes.Equal(text, whole) {
				continue // the cut lay between what both have
			}
			if got != history.Torn || err != nil {
				t.Fatalf("%s: %q of %q and %q is read as %d, %v", how, text, whole, second, got, err)
			}
		}
	})
}

func TestNumbersAloneAreAsEver(t *testing.T) {
	var p *Payload
	for text, want := range map[string]int64{"17": 17, "-5": -5, "-9223372036854775808": history.Nil} {
		if got, err := p.Parse([]byte(text)); got != want || err != nil || string(p.Append(nil, want)) != text {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	if _, err := p.Parse([]byte("17:x")); err == nil {
		t.Error("what is no number is taken for one")
	}
}

// TestSizesFollowTheirFormula holds the sizes to their chances by a chi-square
// test that one of a million fair tries fails.
func TestSizesFollowTheirFormula(t *testing.T) {
	const draws = 200_000
	for name, tc := range map[string]struct {
		spec  Spec
		share map[int]float64
	}{
		"constant":  {Spec{Size: 1000}, map[int]float64{1000: 1}},
		"uniform":   {Spec{Min: 100, Max: 149}, nil},
		"histogram": {Spec{Sizes: map[string]int{"100B": 9, "10kB": 1, "1kB": 5, "2kB": 0}}, map[int]float64{100: 9. / 15, 1000: 5. / 15, 10000: 1. / 15}},
	} {
		if tc.share == nil {
			tc.share = map[int]float64{}
			for size := 100; size <= 149; size++ {
				tc.share[size] = 1. / 50
			}
		}
		p, counts := New(tc.spec, 42), map[int]int{}
		for i := range int64(draws) {
			counts[p.Size(first+i)]++
		}
		if !slices.Equal(slices.Sorted(maps.Keys(counts)), slices.Sorted(maps.Keys(tc.share))) {
			t.Fatalf("%s: the sizes are %v", name, slices.Sorted(maps.Keys(counts)))
		}
		statistic := 0.0
		for size, share := range tc.share {
			statistic += math.Pow(float64(counts[size])-share*draws, 2) / (share * draws)
		}
		if len(tc.share) > 1 && statistic > (distuv.ChiSquared{K: float64(len(tc.share) - 1)}).Quantile(1-1e-6) {
			t.Errorf("%s: chi-square %.0f: %v", name, statistic, counts)
		}
		if other := New(tc.spec, 43); len(tc.share) > 1 && !slices.ContainsFunc([]int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, func(v int64) bool { return other.Size(v) != p.Size(v) }) {
			t.Errorf("%s: another seed gives the same sizes", name)
		}
	}
}

// TestNothingToCompress: values of different numbers do not compress below the
// six bits of each of their characters.
func TestNothingToCompress(t *testing.T) {
	p, all, packed := New(Spec{Size: 1000}, 1), []byte(nil), new(bytes.Buffer)
	for v := range int64(100) {
		all = p.Append(all, first+v)
	}
	w, err := flate.NewWriter(packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(all); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	if packed.Len() < len(all)*7/10 {
		t.Errorf("%d bytes are compressed to %d", len(all), packed.Len())
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		spec Spec
		want string
	}{
		{Spec{Size: 16}, "value.size is 16B; it can be 17B to 8MB; a value carries"},
		{Spec{Size: 9e6}, "value.size is 9MB; it can be 17B to 8MB"},
		{Spec{Min: 100}, "value has one end of a range; give it min and max"},
		{Spec{Max: 100}, "value has one end of a range"},
		{Spec{Min: 200, Max: 100}, "value.min is 200B, above the max of 100B"},
		{Spec{Size: 100, Max: 200, Min: 100}, "value has several kinds of sizes"},
		{Spec{Size: 100, Sizes: map[string]int{"1kB": 1}}, "value has several kinds of sizes"},
		{Spec{Sizes: map[string]int{"1kB": 0}}, "value.sizes has no size with a weight above 0"},
		{Spec{Sizes: map[string]int{"1kB": -1}}, "value.sizes gives 1kB the weight -1"},
		{Spec{Sizes: map[string]int{"1kB": 1, "1000B": 2}}, "value.sizes has the size 1kB twice"},
		{Spec{Sizes: map[string]int{"10": 1}}, "value.sizes: a size is 10, which has no unit"},
		{Spec{Sizes: map[string]int{"large": 1}}, `value.sizes: a size wants a size, not "large"`},
	} {
		if err := tc.spec.Check(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %s", tc.spec, err, tc.want)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	for _, p := range []*Payload{nil, New(Spec{Size: 1000}, 1), New(Spec{Sizes: map[string]int{"100B": 1, "1kB": 1}}, 1)} {
		b := make([]byte, 0, 1000)
		if n := testing.AllocsPerRun(100, func() {
			b = p.Append(b[:0], first+5)
			if v, err := p.Parse(b); v != first+5 || err != nil {
				t.Fatal(v, err)
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	p, text, v := New(Spec{Size: 1000}, 1), []byte(nil), int64(first)
	b.ReportAllocs()
	for b.Loop() {
		v++
		text = p.Append(text[:0], v)
	}
}

func BenchmarkParse(b *testing.B) {
	p := New(Spec{Size: 1000}, 1)
	text := p.Append(nil, first)
	b.ReportAllocs()
	for b.Loop() {
		if v, _ := p.Parse(text); v != first {
			b.Fatal(v)
		}
	}
}

func FuzzParse(f *testing.F) {
	p := New(Spec{Min: 16, Max: 60}, 1)
	f.Add(p.Append(nil, first))
	f.Add([]byte("17:"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if v, err := p.Parse(text); err != nil || v != history.Torn && !bytes.Equal(p.Append(nil, v), text) {
			t.Fatalf("%q is read as %d, %v", text, v, err)
		}
	})
}
