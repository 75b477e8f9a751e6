package mariadb

import (
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/targets"
)

// TestVersionsTogether: what may stand side by side and follow each other; what may not has
// its reason.
func TestVersionsTogether(t *testing.T) {
	for _, one := range []struct {
		system targets.Upgrader
		a, b   string
		leads  string // part of the error where a leads and b follows; empty: there is none
		step   string // and from a to b
	}{
		{new(System), "10.11", "11.8", "", ""},
		{new(System), "11.8", "10.11", "10.11 may not follow 11.8", "no way back"},
		{new(System), "11.8.6", "11.8.2", "", ""},
		{new(GaleraSystem), "10.11", "11.8", "", ""},
		{new(GaleraSystem), "11.8", "10.11", "", "no way back"},
		{new(GaleraSystem), "11.8", "12.3", "", ""},
		{new(GaleraSystem), "10.11.14", "10.11.2", "", ""},
		{new(GaleraSystem), "10.4", "10.11", "go by 10.5, or 10.6, or one of these", "no guide"},
		{new(GaleraSystem), "12.3", "11.4", "go by 11.8", "go by 11.8"},
		{new(GaleraSystem), "11", "11.8", "which series", "which series"},
	} {
		check := func(what string, err error, want string) {
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%T %s and %s, %s: %v, want %q", one.system, one.a, one.b, what, err, want)
			}
		}
		check("one leads", one.system.Mixed(line(one.a), line(one.b)), one.leads)
		check("one becomes the other", one.system.Step(line(one.a), line(one.b)), one.step)
	}
}
