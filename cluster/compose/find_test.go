package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

// What cannot be attached to is refused with one message, before anything is touched.
func TestRefused(t *testing.T) {
	p := newProject(t)
	p.run("db1", nil)
	down := p.run("db2", nil)
	if _, err := p.api.ContainerStop(t.Context(), down, client.ContainerStopOptions{Timeout: new(int)}); err != nil {
		t.Fatal(err)
	}
	p.run("host", func(_ *container.Config, h *container.HostConfig) { h.NetworkMode = "host" })
	p.run("none", func(_ *container.Config, h *container.HostConfig) { h.NetworkMode = "none" })
	p.run("beside", func(_ *container.Config, h *container.HostConfig) {
		h.NetworkMode = container.NetworkMode("container:" + p.name + "_db1_1")
	})
	for _, c := range []struct {
		target Target
		words  string
	}{
		{Target{}, "name the compose file or the project"},
		{Target{Project: "no-such-project", Services: services}, "no-such-project has no containers"},
		{Target{Project: p.name}, "name the services that are nodes; project " + p.name + " has beside, db1, db2, host, none"},
		{Target{Project: p.name, Services: []string{"db1", "db9"}}, "no containers of service db9"},
		{Target{Project: p.name, Services: []string{"db1", "db1"}}, "db1 is named twice"},
		{Target{Project: p.name, Services: []string{"db1", "db2"}}, "not running: db2: start it"},
		{Target{Project: p.name, Services: []string{"host"}}, "network_mode: host"},
		{Target{Project: p.name, Services: []string{"none", "beside"}}, "none, beside: without a network of its own"},
		{Target{Containers: []string{"no-such-container"}}, "no container no-such-container"},
		{Target{Containers: []string{p.name + "_db1_1", p.name + "_db1_1"}}, "named twice"},
		{Target{Containers: []string{"x"}, Project: "y"}, "name one or the other"},
		{Target{File: "/no/such/file.yml", Services: services}, "no/such/file.yml"},
	} {
		d, err := New(c.target).Find(t.Context(), p.spec())
		if err == nil {
			p.close(d)
		}
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%+v: %v", c.target, err)
		}
	}
	if l := left(t, p.api, "run-"+p.name); len(l) > 0 {
		t.Errorf("left: %v", l)
	}
}

// A look takes no guests: it reads, and leaves nothing.
func TestALook(t *testing.T) {
	p := newProject(t)
	p.runAll()
	d, err := New(Target{Project: p.name, Services: services}).Find(t.Context(), cluster.AttachSpec{Port: serverPort})
	if err != nil {
		t.Fatal(err)
	}
	n := d.Nodes()[0]
	conn, err := n.DialServer(t.Context(), serverPort)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if output, err := n.Run(t.Context(), cluster.ServerSpec{Command: []string{"/aftershock", "say", "hello"}}); err != nil || string(output) != "hello\n" {
		t.Errorf("%q, %v", output, err)
	}
	for _, kind := range []cluster.ActionKind{cluster.Kill, cluster.Block, cluster.Crash, cluster.Exec} {
		if err := d.Can(t.Context(), kind); err != nil {
			t.Error(err)
		}
	}
	for _, kind := range []cluster.ActionKind{cluster.Kill, cluster.Block, cluster.Pause} {
		if _, err := n.Do(t.Context(), cluster.Action{Kind: kind, ID: "f"}); err == nil {
			t.Errorf("%s was done without an invitation", kind)
		}
	}
	if err := d.Invite(t.Context()); err == nil {
		t.Error("it invited without a run")
	}
	p.close(d)
	p.close(d) // as often as one likes
}

// A container with the machine's own processes gets no guest among them.
func TestTheMachinesProcesses(t *testing.T) {
	p := newProject(t)
	p.run("db1", func(_ *container.Config, h *container.HostConfig) { h.PidMode = "host" })
	d := p.find(Target{Project: p.name, Services: []string{"db1"}}, p.spec())
	for range 2 {
		if err := d.Can(t.Context(), cluster.Crash); err == nil || !strings.Contains(err.Error(), "pid: host") {
			t.Errorf("crash: %v", err)
		}
		if err := d.Can(t.Context(), cluster.Block); err != nil {
			t.Errorf("block: %v", err)
		}
		if err := d.Invite(t.Context()); err != nil && !errors.Is(err, guests.ErrInvited) {
			t.Fatal(err)
		}
	}
	n := d.Nodes()[0]
	if _, err := n.Do(t.Context(), cluster.Action{Kind: cluster.Pause}); err == nil {
		t.Error("it was paused")
	}
	block(t, "f", n, d.HarnessAddr())
	if _, err := asks(n.At(), 200*time.Millisecond); err == nil {
		t.Error("clients reach it")
	}
}

const composeFile = `version: "3"
services:
  db1: &db
    image: %[1]s
    restart: unless-stopped
  db2: *db
  db3:
    <<: *db
    scale: 2
  proxy: *db
`

// Real compose makes the containers, under a name of its own, and makes one anew.
func TestDockerCompose(t *testing.T) {
	if _, err := exec.LookPath("docker-compose"); err != nil {
		t.Skip("docker-compose: not installed")
	}
	api := needEngine(t)
	p := &project{t: t, api: api, name: strings.ToLower(filepath.Base(t.TempDir())), node: testNode(t, api)}
	dir := filepath.Join(t.TempDir(), "Shop-of_mine")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "docker-compose.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, strings.Replace(composeFile, `"3"`, `"2.4"`, 1), image), 0o644); err != nil {
		t.Fatal(err)
	}
	p.name = "attached" + fmt.Sprint(os.Getpid())
	compose := func(ctx context.Context, args ...string) {
		cmd := exec.CommandContext(ctx, "docker-compose", append([]string{"-f", file, "-p", p.name}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("docker-compose %v: %v\n%s", args, err, out)
		}
	}
	t.Cleanup(func() { compose(context.Background(), "down", "-t", "0", "-v") })
	compose(t.Context(), "up", "-d", "-t", "0")
	d := p.find(Target{File: file, Services: []string{"db2", "db1", "db3"}}, p.spec())
	var names []string
	for _, n := range d.Nodes() {
		names = append(names, n.Name)
	}
	if d.Called() != p.name || strings.Join(names, " ") != fmt.Sprintf("db2 db1 %[1]s_db3_1 %[1]s_db3_2", p.name) {
		t.Fatalf("%s: %v", d.Called(), names)
	}
	if err := d.Invite(t.Context()); err != nil {
		t.Fatal(err)
	}
	db2, db1 := d.Nodes()[0], d.Nodes()[1]
	block(t, "f1", db2, db1.At())
	block(t, "f1", db1, db2.At())
	compose(t.Context(), "up", "-d", "-t", "0", "--force-recreate", "--no-deps", "db2")
	change(t, d, cluster.Restarted)
	change(t, d, cluster.Unguarded)
	if reaches(t, db2, db1) || reaches(t, db1, db2) {
		t.Error("the partition did not follow the new container")
	}
	do(t, db2, cluster.Action{Kind: cluster.Pause, ID: "p"})
	do(t, db2, cluster.Action{Kind: cluster.Resume, ID: "p"})
	do(t, db2, cluster.Action{Kind: cluster.Kill, ID: "k"})
	do(t, db2, cluster.Action{Kind: cluster.Restart, ID: "k"})
	for _, n := range []*cluster.Node{db1, db2} {
		do(t, n, cluster.Action{Kind: cluster.Unblock, ID: "f1"})
	}
	// What was started again may not listen yet.
	until(t, "the heal follows the new container", 10*time.Second, func() bool { return reaches(t, db2, db1) && reaches(t, db1, db2) })
	compose(t.Context(), "rm", "-f", "-s", "db1")
	if c := change(t, d, cluster.Gone); c.Node != 1 {
		t.Errorf("%+v", c)
	}
	if e := do(t, db1, cluster.Action{Kind: cluster.Pause, ID: "p"}); e.Changed {
		t.Error("what is gone was paused")
	}
	p.close(d)
	if l := left(t, api, "run-"+p.name); len(l) > 0 {
		t.Errorf("left: %v", l)
	}
}

func TestProjectsName(t *testing.T) {
	for _, c := range []struct{ folder, file, env, variable, want string }{
		{"My Shop_1.x", "services: {}\n", "", "", "myshop_1x"},
		{"_-shop", "services: {}\n", "", "", "shop"},
		{"shop", "name: other\nservices: {}\n", "", "", "other"},
		{"shop", "name: ${X}\nservices: {}\n", "", "", "shop"},
		{"shop", "name: other\n", "A=1\nCOMPOSE_PROJECT_NAME='third'\n", "", "third"},
		{"shop", "name: other\n", "COMPOSE_PROJECT_NAME=third\n", "fourth", "fourth"},
	} {
		dir := filepath.Join(t.TempDir(), c.folder)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "compose.yml")
		if err := os.WriteFile(file, []byte(c.file), 0o644); err != nil {
			t.Fatal(err)
		}
		if c.env != "" {
			if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(c.env), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv(projectVariable, c.variable)
		if name, _, err := (Target{File: file}).project(); name != c.want || err != nil {
			t.Errorf("%+v: %q, %v", c, name, err)
		}
	}
	bad := filepath.Join(t.TempDir(), "bad.yml")
	if err := os.WriteFile(bad, []byte("a: [\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := (Target{File: bad}).project(); err == nil || !strings.Contains(err.Error(), "bad.yml") {
		t.Errorf("a file that is none: %v", err)
	}
}
