package process

import "testing"

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		text  string
		state byte
		group int
		ok    bool
	}{
		{"12 (sh) S 1 12 12 0 -1", 'S', 12, true},
		{"12 (a) R 7) T 1 34 12 0", 'T', 34, true},
		{"12 (sh) S 1", 0, 0, false},
		{"12 (sh S 1 2 3", 0, 0, false},
		{"12 (sh) S 1 x 3", 'S', 0, false},
		{"", 0, 0, false},
	} {
		state, group, err := parseStat([]byte(c.text))
		if (err == nil) != c.ok || err == nil && (state != c.state || group != c.group) {
			t.Errorf("%q: %c %d %v", c.text, state, group, err)
		}
	}
}

func TestStopped(t *testing.T) {
	for state, want := range map[byte]bool{'T': true, 't': true, 'Z': true, 'X': true, 'D': true, 'R': false, 'S': false, 'I': false} {
		if stopped(state) != want {
			t.Errorf("state %c is stopped: %t", state, !want)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (sh) S 1 12 12 0 -1"))
	f.Add([]byte("12 (a) b)) T 1 34"))
	f.Add([]byte(")"))
	f.Add([]byte("(a) b)) \x00 1 3"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if state, _, err := parseStat(text); err == nil && state == 0 {
			t.Errorf("%q has no state and no error", text)
		}
	})
}
