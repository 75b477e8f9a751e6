package schema

import (
	"reflect"
	"testing"
	"time"
)

// sample has a place of every kind.
type sample struct {
	word    string
	whole   int
	seed    uint64
	length  time.Duration
	rate    float64
	flag    bool
	size    Bytes
	band    Bits
	number  float64
	weights map[string]int
	inner   struct{ name string }
}

func sampleKeys() []Key[sample] {
	inner := []Key[struct{ name string }]{{Field{Name: "name", Type: Name}, func(s *struct{ name string }) any { return &s.name }}}
	return []Key[sample]{
		{Field{Name: "word", Type: Word, Words: []string{"north", "south"}, Default: "north"}, func(s *sample) any { return &s.word }},
		{Field{Name: "whole", Type: Whole, Max: 15, Default: "2"}, func(s *sample) any { return &s.whole }},
		{Field{Name: "seed", Type: Whole, Note: "0 means choose one"}, func(s *sample) any { return &s.seed }},
		{Field{Name: "length", Type: Duration, Min: float64(time.Millisecond), Max: float64(time.Hour), Default: "1m"}, func(s *sample) any { return &s.length }},
		{Field{Name: "rate", Type: Rate, Min: 0.5, Max: 100}, func(s *sample) any { return &s.rate }},
		{Field{Name: "flag", Type: Flag}, func(s *sample) any { return &s.flag }},
		{Field{Name: "size", Type: Size, Min: 1e6, Max: 1 << 40}, func(s *sample) any { return &s.size }},
		{Field{Name: "band", Type: Bandwidth, Min: 1e3, Max: 1e12}, func(s *sample) any { return &s.band }},
		{Field{Name: "number", Type: Number, Min: 0.01, Max: 10}, func(s *sample) any { return &s.number }},
		{Field{Name: "weights", Type: Map, Of: Whole, Words: []string{"a", "b"}, Default: "{a: 1, b: 2}"}, func(s *sample) any { return &s.weights }},
		Group(Field{Name: "inner"}, inner, func(s *sample) *struct{ name string } { return &s.inner }),
	}
}

func slot(of *sample, name string) Slot {
	var found Slot
	Walk(Slots(sampleKeys(), of), "", func(path string, s Slot) {
		if path == name {
			found = s
		}
	})
	return found
}

func TestRead(t *testing.T) {
	for _, tc := range []struct{ path, text, spelt, wrong string }{
		{"word", "south", "south", ""},
		{"word", "suoth", "", `word cannot be "suoth"; did you mean "south"?`},
		{"whole", "015", "15", ""},
		{"whole", "16", "", "whole is 16; it can be 0 to 15"},
		{"whole", "99999999999999999999", "", "whole is 99999999999999999999; it can be 0 to 15"},
		{"whole", "two", "", `whole wants a whole number, not "two"; e.g. 2`},
		{"seed", "18446744073709551615", "18446744073709551615", ""},
		{"seed", "-1", "", "seed is -1; it can be 0 to 18446744073709551615; 0 means choose one"},
		{"length", "60m", "1h", ""},
		{"length", "5", "", "length is 5, which has no unit; write 5s, 5ms or 5m"},
		{"length", "2h", "", "length is 2h; it can be 1ms to 1h"},
		{"length", "soon", "", `length wants a duration, not "soon"; write it like 10ms, 1.5s or 1h`},
		{"rate", "120/m", "2/s", ""},
		{"rate", "NaN", "", "rate is NaN; it can be 0.5/s to 100/s"},
		{"rate", "1/h", "", `rate wants operations per second, not "1/h"; write it like 2000/s or 120/m`},
		{"flag", "true", "true", ""},
		{"flag", "yes", "", `flag wants true or false, not "yes"; write true or false`},
		{"size", "512MB", "512MB", ""},
		{"size", "1.5 GiB", "1536MiB", ""},
		{"size", "1000001b", "1000001B", ""},
		{"size", "512", "", "size is 512, which has no unit; write 512MB or 512GiB"},
		{"size", "1kB", "", "size is 1kB; it can be 1MB to 1TiB"},
		{"size", "9EB", "", "size is 9EB; it can be 1MB to 1TiB"},
		{"size", "-1MB", "", `size wants a size, not "-1MB"; write it like 512MB or 2GiB`},
		{"size", "1,000MB", "", `size wants a size, not "1,000MB"; write it like 512MB or 2GiB`},
		{"band", "10mbit", "10mbit", ""},
		{"band", "1.5 Gbit", "1500mbit", ""},
		{"band", "1234567bit", "1234567bit", ""},
		{"band", "10", "", "band is 10, which has no unit; write 10mbit or 10kbit"},
		{"band", "10MB", "", `band wants a bandwidth, not "10MB"; write it like 10mbit or 1gbit`},
		{"band", "2bit", "", "band is 2bit; it can be 1kbit to 1000gbit"},
		{"number", "0.990", "0.99", ""},
		{"number", "2", "2", ""},
		{"number", "0", "", "number is 0; it can be 0.01 to 10"},
		{"number", "1e3", "", "number is 1e3; it can be 0.01 to 10"},
		{"number", "Inf", "", `number wants a number, not "Inf"; e.g. 1`},
		{"number", "0x1", "", `number wants a number, not "0x1"; e.g. 1`},
		{"inner.name", "a-1", "a-1", ""},
	} {
		var v sample
		s := slot(&v, tc.path)
		m := s.Read(s.Name, tc.text, false)
		switch {
		case m != nil && m.Message+"; "+m.Remedy != tc.wrong:
			t.Errorf("%s: %s: %s; %s, want %s", tc.path, tc.text, m.Message, m.Remedy, tc.wrong)
		case m == nil && (tc.wrong != "" || s.Spell() != tc.spelt):
			t.Errorf("%s: %s is read as %s, want %s%s", tc.path, tc.text, s.Spell(), tc.spelt, tc.wrong)
		case m != nil && !s.Empty():
			t.Errorf("%s: what was refused was kept", tc.path)
		}
	}
	var v sample
	if m := slot(&v, "whole").Read("whole", "7", true); m == nil || m.Remedy != "take the quotes away" {
		t.Errorf("a number in quotes: %v", m)
	}
}

func TestFill(t *testing.T) {
	v := sample{rate: 3}
	Fill(Slots(sampleKeys(), &v))
	want := sample{word: "north", whole: 2, length: time.Minute, rate: 3, weights: map[string]int{"a": 1, "b": 2}}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("got %+v, want %+v", v, want)
	}
	v = sample{whole: None, length: None, weights: map[string]int{"a": 5}}
	Fill(Slots(sampleKeys(), &v))
	if v.whole != 0 || v.length != None || len(v.weights) != 1 {
		t.Errorf("None where zero is possible, and only there, means zero; a value stays: %+v", v)
	}
}

func TestCheck(t *testing.T) {
	v := sample{band: 1, word: "up", whole: 99, length: -time.Second, rate: 1, size: 1, number: 11}
	wrong := map[string]string{}
	Walk(Slots(sampleKeys(), &v), "", func(path string, s Slot) {
		if m := s.Check(s.Name); m != nil {
			wrong[path] = m.Message + "; " + m.Remedy
		}
	})
	want := map[string]string{"word": `word cannot be "up"; known are north, south`, "whole": "whole is 99; it can be 0 to 15",
		"length": "length is -1s; it can be 1ms to 1h", "size": "size is 1B; it can be 1MB to 1TiB",
		"band": "band is 1bit; it can be 1kbit to 1000gbit", "number": "number is 11; it can be 0.01 to 10"}
	if !reflect.DeepEqual(wrong, want) {
		t.Errorf("got %v, want %v", wrong, want)
	}
}
