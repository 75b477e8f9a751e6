package page

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/lucasb-eyer/go-colorful"
)

// What colours look like to those who see red and green with one kind of cone less:
// Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of
// Color Vision Deficiency", IEEE TVCG 15(6), 2009, at full severity, on linear light.
var eyes = map[string][3][3]float64{
	"all cones": {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"deuteranope": {
		{0.367322, 0.860646, -0.227968},
		{0.280085, 0.672501, 0.047413},
		{-0.011820, 0.042940, 0.968881},
	},
	"protanope": {
		{0.152286, 1.052583, -0.204868},
		{0.114503, 0.786281, 0.099216},
		{-0.003882, -0.048116, 1.051998},
	},
}

func seen(c colorful.Color, eye [3][3]float64) colorful.Color {
	r, g, b := c.LinearRgb()
	return colorful.LinearRgb(
		eye[0][0]*r+eye[0][1]*g+eye[0][2]*b,
		eye[1][0]*r+eye[1][1]*g+eye[1][2]*b,
		eye[2][0]*r+eye[2][1]*g+eye[2][2]*b,
	).Clamped()
}

// palettes are the colours by name, of a light page and of a dark one.
func palettes(t *testing.T) map[string]map[string]colorful.Color {
	t.Helper()
	light, dark := map[string]colorful.Color{}, map[string]colorful.Color{}
	name := regexp.MustCompile(`--([a-z0-9-]+): (#[0-9a-f]{6})\b`)
	for _, file := range []string{"../../web/assets/base.css", "../../web/assets/charts.css", "assets/report.css"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		inDark := false
		for line := range strings.Lines(string(text)) {
			switch {
			case strings.Contains(line, "prefers-color-scheme: dark"):
				inDark = true
			case strings.HasPrefix(line, "}"):
				inDark = false
			}
			into := light
			if inDark {
				into = dark
			}
			for _, m := range name.FindAllStringSubmatch(line, -1) {
				c, err := colorful.Hex(m[2])
				if err != nil {
					t.Fatalf("%s: %s: %v", file, m[0], err)
				}
				into[m[1]] = c
			}
		}
	}
	for name, c := range light {
		if _, ok := dark[name]; !ok {
			dark[name] = c
		}
	}
	return map[string]map[string]colorful.Color{"light": light, "dark": dark}
}

// What stands beside each other in one picture and means different things is told apart
// by those who see no difference of red and green, too. Ten times the difference that is
// just noticed (1) is enough for areas; lines and lanes have words beside their colours.
func TestColoursAreToldApart(t *testing.T) {
	const enough = 0.10 // of CIEDE2000, in hundreds
	groups := map[string][]string{
		"operations by outcome": {"ok", "failed", "open"},
		"kinds of operations":   {"read", "write"},
		"percentiles":           {"p50", "p99"},
		"what a node is":        {"primary", "replica", "thought", "down", "cut"},
		"how a node is ill":     {"paused", "down", "cut"},
		"what clients got":      {"served", "some", "refused"},
		"a tick on a lane":      {"tick", "served"},
		"good and bad":          {"good", "bad"},
		"lines of a study":      {"l0", "l1", "l2", "l3"},
		"lines of nodes":        {"n0", "n1", "n2", "n3"},
		"a rate and its errors": {"acked", "errors"},
	}
	for scheme, colours := range palettes(t) {
		for eye, matrix := range eyes {
			for group, names := range groups {
				for i, a := range names {
					for _, b := range names[:i] {
						x, okX := colours[a]
						y, okY := colours[b]
						if !okX || !okY {
							t.Fatalf("%s: no colour %s or %s: its name changed", scheme, a, b)
						}
						if d := seen(x, matrix).DistanceCIEDE2000(seen(y, matrix)); d < enough {
							t.Errorf("%s, %s, to a %s: --%s %s and --%s %s differ by %.1f, want %.0f",
								scheme, group, eye, a, x.Hex(), b, y.Hex(), 100*d, 100*enough)
						}
					}
				}
			}
		}
	}
}

// Words can be read: WCAG 2.2, 1.4.3, asks 4.5 : 1 of text of normal size.
func TestWordsStandOut(t *testing.T) {
	luminance := func(c colorful.Color) float64 {
		r, g, b := c.LinearRgb()
		return 0.2126*r + 0.7152*g + 0.0722*b
	}
	for scheme, colours := range palettes(t) {
		for _, ink := range []string{"ink", "soft", "good", "bad", "warn"} {
			for _, ground := range []string{"page", "card", "code"} {
				a, b := luminance(colours[ink]), luminance(colours[ground])
				if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
					t.Errorf("%s: --%s on --%s has a contrast of %.2f, want 4.5", scheme, ink, ground, ratio)
				}
			}
		}
		for _, on := range []struct{ word, ground string }{
			{"on-dark", "primary"}, {"on-light", "replica"}, {"on-light", "served"}, {"on-light", "cut"}, {"on-light", "paused"}, {"on-light", "catching"},
		} {
			a, b := luminance(colours[on.word]), luminance(colours[on.ground])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
				t.Errorf("%s: --%s on --%s has a contrast of %.2f, want 4.5", scheme, on.word, on.ground, ratio)
			}
		}
	}
}
