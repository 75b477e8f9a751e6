package web

import (
	"html/template"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"
)

const head = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{{.Policy}}">
`

// TestGuards: a page is guarded if its policy is ours and nothing stands before it.
func TestGuards(t *testing.T) {
	own := fstest.MapFS{"assets/a.css": {Data: []byte("p {}")}, "assets/a.js": {Data: []byte("let a;")}}
	told, err := Told(own, []string{"a.css"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := Drawn(own, []string{"a.css"}, []string{"a.js"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(told.Policy(), "script-src 'none'") || strings.Count(drawn.Policy(), "'sha256-") != 4 {
		t.Errorf("%s\n%s", told.Policy(), drawn.Policy())
	}
	var page strings.Builder
	if err := template.Must(template.New("").Parse(head)).Execute(&page, drawn); err != nil {
		t.Fatal(err)
	}
	whole := page.String()
	for name, tc := range map[string]struct {
		page string
		want bool
	}{
		"ours": {whole + "<script>alert(1)</script>", true}, "empty": {"", false}, "cut": {whole[:len(whole)-5], false},
		"a script before it": {strings.Replace(whole, "<head>", "<head><script>alert(1)</script>", 1), false},
		"the policy alone":   {drawn.Policy() + `"><script>alert(1)</script>`, false},
		"another policy":     {strings.Replace(whole, "default-src", "script-src 'unsafe-inline'; default-src", 1), false},
		"a longer one":       {strings.Replace(whole, `">`+"\n<meta http", `"><meta http`, 1), false},
	} {
		if drawn.Guards([]byte(tc.page)) != tc.want || told.Guards([]byte(tc.page)) {
			t.Errorf("%s: guarded is %v, want %v", name, !tc.want, tc.want)
		}
	}
	if _, err := Told(own, nil, []string{"b.js"}); err == nil {
		t.Error("a part that is not there is left out")
	}
}

// TestScaleKeepsTheOrder: numbers lie within the axis, greater ones no lower.
func TestScaleKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.OneOf(rapid.Float64Range(-1e15, 1e15), rapid.Float64Range(1e-9, 1), rapid.SampledFrom([]float64{0, 1, 100, 5e-324, -5e-324, math.MaxFloat64, -math.MaxFloat64, 1e-100, 1e100}), rapid.Float64())
		low := numbers.Draw(t, "low")
		high := max(low, numbers.Draw(t, "high"))
		s := NewScale(low, high, 10, 100)
		last := math.Inf(1)
		for i := range 5 {
			y := s.Y(low + (high-low)*float64(i)/4)
			if math.IsNaN(y) || y < 9.9 || y > 100.1 || y > last {
				t.Fatalf("from %v to %v: %v after %v", low, high, y, last)
			}
			last = y
		}
		if n := len(s.Ticks()); n < 2 || n > 12 {
			t.Fatalf("from %v to %v: %d ticks", low, high, n)
		}
	})
}
