package ssh

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const answer = `Last login: yesterday
aftershock probe
system Linux
machine x86_64
from 10.0.0.9 51234 10.0.0.5 2222
root sudo
address 10.0.0.5/24
address 172.17.0.1/16
systemd yes
unit LoadState=loaded
unit ActiveState=active
unit Restart=on-failure
`

func TestParse(t *testing.T) {
	s, err := parse(answer)
	if err != nil {
		t.Fatal(err)
	}
	if s.addr.String() != "10.0.0.5" || s.port != 2222 || s.root != "sudo" || len(s.addrs) != 2 || s.unit["Restart"] != "on-failure" {
		t.Errorf("%+v", s)
	}
	for _, text := range []string{"", "Welcome\n", "aftershock probe\nsystem Linux\n", "aftershock probe\nfrom \n"} {
		if s, err := parse(text); err == nil {
			t.Errorf("%q: %+v", text, s)
		}
	}
}

func TestCheck(t *testing.T) {
	for change, want := range map[string]string{
		"machine x86_64>machine aarch64":                 "GOARCH=arm64",
		"system Linux>system FreeBSD":                    "it runs FreeBSD",
		"root sudo>":                                     "log in as root",
		"root sudo>root yes":                             "",
		"unit LoadState=loaded>unit LoadState=not-found": "no unit postgresql",
		"systemd yes>":                                   "no systemd",
		"system Linux>system Linux\nmissing gzip":        "gzip are not there",
	} {
		from, to, _ := strings.Cut(change, ">")
		s, err := parse(strings.Replace(answer, from, to, 1))
		if err != nil {
			t.Fatal(change, err)
		}
		target := Target{}
		target.Server.Unit = "postgresql"
		err = s.check(target, "amd64")
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", change, err)
		}
	}
}

// TestWhom: a rule by one address of a machine means all that no other has.
func TestWhom(t *testing.T) {
	a, _ := parse(answer)
	b, _ := parse(strings.NewReplacer("10.0.0.5", "10.0.0.6").Replace(answer) + "address fd00::6/64\n")
	d := &deployment{harness: address("10.0.0.9")}
	d.nodes = []*node{{seen: a}, {seen: b}}
	whom := d.whom(address("10.0.0.6"))
	if whom == nil {
		t.Fatal("nobody")
	}
	if got := fmt.Sprint(whom(0)); got != "[10.0.0.6 fd00::6]" {
		t.Error(got)
	}
	if d.whom(address("10.0.0.77")) != nil {
		t.Error("a stranger is taken for somebody")
	}
	if own := d.whom(address("10.0.0.9")); own == nil || !slices.Contains(own(0), address("10.0.0.9")) {
		t.Error("the harness is taken for a stranger")
	}
}
