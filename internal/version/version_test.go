package version

import "testing"

func TestServersOwnWords(t *testing.T) {
	for text, want := range map[string]string{
		"10.11.14-MariaDB-0+deb12u2-log": "10.11.14", "17.6 (Debian 17.6-1)": "17.6", "PostgreSQL 17.6 on x86_64": "17.6", "v3.6.16": "3.6.16",
		"VERSION 1.6.38": "1.6.38", "8.0.2": "8.0.2", "4.0.5+rc": "4.0.5", "": "", "unknown": "", "18beta1": "18",
	} {
		if v, ok := Find(text); v.String() != want || ok != (want != "") {
			t.Errorf("Find(%q) = %s, %v; want %q", text, v, ok, want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, text := range []string{"17", "3.10", "8.0.2"} {
		if v, err := Parse(text); err != nil || v.String() != text {
			t.Errorf("Parse(%q) = %s, %v", text, v, err)
		}
	}
	for _, text := range []string{"", "v17", "17.", "1.2.3.4", "17-rc1", " 17", "latest", "<4", "99999999999999999999"} {
		if v, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %s", text, v)
		}
	}
}

// TestLines: a version of few parts stands for all that begin with them, by
// parts and not by letters.
func TestLines(t *testing.T) {
	for _, c := range []struct {
		line, version string
		covers        bool
	}{
		{"17", "17.6", true}, {"17", "17", true}, {"3.10", "3.10.8", true}, {"3.1", "3.10.8", false}, {"3.10", "3.1", false},
		{"1", "17.6", false}, {"17.6", "17", false}, {"8.0.2", "8.0.2", true}, {"8.0.2", "8.0.3", false},
	} {
		if got := find(c.line).Covers(find(c.version)); got != c.covers {
			t.Errorf("%s covers %s: %v", c.line, c.version, got)
		}
	}
}

func TestOrder(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"3.5", "3.6.16", -1}, {"3.6", "3.6.16", 0}, {"3.10", "3.9", 1}, {"17", "15.2", 1}, {"3", "3.6", 0}, {"2.10.8", "2.10.9", -1}, {"2", "10", -1},
	} {
		if got := find(c.a).Compare(find(c.b)); got != c.want {
			t.Errorf("%s against %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
	if got := find("3.6.16").Line(2).String(); got != "3.6" {
		t.Errorf("the line is %s", got)
	}
	if n, ok := find("3.6").Part(2); ok || n != 0 {
		t.Errorf("3.6 has a third part %d", n)
	}
	if n, ok := find("3.6").Part(1); !ok || n != 6 {
		t.Errorf("the second part of 3.6 is %d, %v", n, ok)
	}
}

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		limit, version string
		has, may       bool
	}{
		{"", "1", true, true},
		{"<11.6", "10.11.14", true, true}, {"<11.6", "11.5.2", true, true}, {"<11.6", "11.6.0", false, false}, {"<11.6", "11.8", false, false},
		{"<11.6", "11", true, true}, {"<11.6", "12", false, false},
		{">=11.6.2", "11.6", false, true}, {">=11.6.2", "11.6.1", false, false}, {">=11.6.2", "11.8.3", true, true},
		{">=4", "3.10.8", false, false}, {">=4", "4", true, true}, {"<4", "3.10", true, true},
		{">=3.8, <4", "3.10.8", true, true}, {">=3.8 <4", "4.0.5", false, false}, {"15 || 17", "17.6", true, true}, {"15 || 17", "16.1", false, false},
		{"=11.8.3", "11.8", false, true}, {"<3 || =11.8.3", "11.8", false, true}, {"<4", "4", false, false},
	} {
		r, err := ParseRange(c.limit)
		if err != nil {
			t.Fatal(err)
		}
		v, err := Parse(c.version)
		if err != nil {
			t.Fatal(err)
		}
		if r.Has(v) != c.has || r.MayHave(v) != c.may {
			t.Errorf("%q has %s: %v, may have it: %v", c.limit, v, r.Has(v), r.MayHave(v))
		}
	}
	for _, text := range []string{"<", "new", "<eleven", "11..6", ">= <"} {
		if r, err := ParseRange(text); err == nil {
			t.Errorf("ParseRange(%q) = %s", text, r)
		}
	}
}
