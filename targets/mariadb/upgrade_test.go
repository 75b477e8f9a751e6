package mariadb

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
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

// runner is a node that notes what is run on it.
type runner struct {
	cluster.Control
	ran []cluster.ServerSpec
	err error
}

func (r *runner) Run(_ context.Context, spec cluster.ServerSpec) ([]byte, error) {
	r.ran = append(r.ran, spec)
	return []byte("Access denied"), r.err
}

// TestSystemTables: a server of another series has its own system tables brought up to date,
// and nobody else's; what the program says against it fails the upgrade.
func TestSystemTables(t *testing.T) {
	for _, system := range []targets.Finisher{new(System), new(GaleraSystem)} {
		r := &runner{}
		u := targets.Upgrade{Nodes: []*cluster.Node{{Name: "n1", Control: r}}, From: line("11.8.2"), To: line("11.8.6")}
		if err := system.Finish(t.Context(), u); err != nil || len(r.ran) > 0 {
			t.Errorf("%T, a minor release: %v, %v", system, err, r.ran)
		}
		u.From = line("10.11")
		if err := system.Finish(t.Context(), u); err != nil || len(r.ran) != 1 || !slices.Contains(r.ran[0].Command, "--skip-write-binlog") || r.ran[0].User != serverUser {
			t.Errorf("%T: %v, %v", system, err, r.ran)
		}
		r.err = errors.New("exit code 1")
		if err := system.Finish(t.Context(), u); err == nil || !strings.Contains(err.Error(), "n1: exit code 1: Access denied") {
			t.Errorf("%T: %v", system, err)
		}
	}
}
