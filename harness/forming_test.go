package harness

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/results/rundir"
	"github.com/aftershock-chaos/aftershock/targets"
)

// formingNode starts nothing; exits are what the test puts in.
type formingNode struct {
	cluster.Control
	exits chan cluster.Exit
}

func (formingNode) Start(context.Context, cluster.ServerSpec) error { return nil }
func (n formingNode) Exits() <-chan cluster.Exit                    { return n.exits }

// formingSystem forms when form says so.
type formingSystem struct {
	targets.System
	form    func(context.Context) error
	version string
}

func (formingSystem) Server([]*cluster.Node, int) (spec cluster.ServerSpec)    { return spec }
func (s formingSystem) Form(ctx context.Context, _ []*cluster.Node) error      { return s.form(ctx) }
func (s formingSystem) Version(context.Context, *cluster.Node) (string, error) { return s.version, nil }

// forming is a deployment of two nodes that forms, with the logs of its nodes.
func forming(t *testing.T, s formingSystem, logs ...string) (*deployment, []chan cluster.Exit, *rundir.Dir) {
	dir, err := rundir.Create(t.TempDir(), "p", 1, time.Now(), "test")
	if err != nil {
		t.Fatal(err)
	}
	d := &deployment{system: s, target: targets.Info{Name: "quux", Versions: []targets.Version{{Built: "quux:1"}}}, image: "quux:1"}
	var exits []chan cluster.Exit
	for i, name := range []string{"n1", "n2"} {
		exits = append(exits, make(chan cluster.Exit, 4))
		d.nodes = append(d.nodes, &cluster.Node{Name: name, Index: i, Control: formingNode{exits: exits[i]}})
		folder, err := dir.NodeDir(name)
		if err != nil {
			t.Fatal(err)
		}
		if i < len(logs) {
			if err := os.WriteFile(filepath.Join(folder, "server.log"), []byte(logs[i]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return d, exits, dir
}

func never(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestServerEndsWhileForming: that is told at once, with what its log says of it.
func TestServerEndsWhileForming(t *testing.T) {
	d, exits, dir := forming(t, formingSystem{form: never}, "all is well\n", "starting\nFATAL:  the disk is on fire\n")
	exits[0] <- cluster.Exit{Planned: true} // the target restarts a server
	exits[1] <- cluster.Exit{Code: 1}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := d.form(ctx, dir)
	if ctx.Err() != nil {
		t.Fatal("the end was waited for")
	}
	for _, want := range []string{"n2", "ended while the cluster formed", "exit code 1", `"FATAL:  the disk is on fire"`} {
		if err == nil || !errors.Is(err, failure.ErrInfrastructure) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "well") {
			t.Errorf("%v; want ErrInfrastructure and %q", err, want)
		}
	}
}

func TestControlLostWhileForming(t *testing.T) {
	d, exits, dir := forming(t, formingSystem{form: never})
	close(exits[0])
	if err := d.form(t.Context(), dir); !errors.Is(err, failure.ErrInfrastructure) || !strings.Contains(err.Error(), "n1: the control channel was lost") {
		t.Errorf("%v", err)
	}
}

// TestFormingFails: without an end, the nodes' own words are told where they
// speak of errors.
func TestFormingFails(t *testing.T) {
	d, _, dir := forming(t, formingSystem{form: func(context.Context) error { return io.ErrUnexpectedEOF }}, "all is well\n", "ERROR: no quorum\n")
	err := d.form(t.Context(), dir)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), `the log of n2 says: "ERROR: no quorum"`) || strings.Contains(err.Error(), "n1") {
		t.Errorf("%v", err)
	}
}

func TestVersionThatRuns(t *testing.T) {
	formed := func(context.Context) error { return nil }
	for _, c := range []struct{ wanted, about, runs, say string }{
		{"", "", "17.6 (Debian)", ""},
		{"17", "", "17.6", ""},
		{"", "<20", "17.6", ""},
		{"3.1", "", "3.10.8", "target.version: quux 3.1 is wanted, and 3.10.8 is in quux:1"},
		{"", "<11.6", "11.8.3-MariaDB", "the plan's claims are not about quux 11.8.3"},
	} {
		d, _, dir := forming(t, formingSystem{form: formed, version: c.runs})
		d.wanted, _ = version.Find(c.wanted)
		d.about = version.MustRange(c.about)
		err := d.form(t.Context(), dir)
		if c.say == "" {
			if runs, _ := version.Find(c.runs); err != nil || d.version != runs.String() {
				t.Errorf("%+v: %q, %v", c, d.version, err)
			}
			continue
		}
		if !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
