package spelling

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"replicas", "name", "image", "kill", "zipfian", "at", "for"}
	for word, want := range map[string]string{
		"replcas": "replicas", "REPLICAS": "replicas", "erplicas": "replicas", "nmae": "name", "kil": "kill", "zipf": "zipfian",
		"fro": "for", "zebra": "", "": "", "x": "", "z": "", strings.Repeat("replicas", 20): "",
	} {
		if got, ok := Nearest(word, known); got != want || ok != (want != "") {
			t.Errorf("Nearest(%q) is %q, %v; want %q", word, got, ok, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3}} {
		if got := distance([]rune(tt.a), []rune(tt.b)); got != tt.want {
			t.Errorf("distance(%q, %q) is %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := distance([]rune(tt.b), []rune(tt.a)); got != tt.want {
			t.Errorf("distance(%q, %q) is %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}
