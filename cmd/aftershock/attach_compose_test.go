package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aftershock-chaos/aftershock/cluster/docker"
)

const redisImage = "aftershock/redis:8.0"

func TestAttachedByCompose(t *testing.T) {
	if err := docker.Available(t.Context()); err != nil {
		t.Skipf("place compose: %v", err)
	}
	if there, err := docker.HasImage(t.Context(), redisImage); err != nil || !there {
		t.Skipf("place compose: no image %s: `make images` makes it (%v)", redisImage, err)
	}
	for _, program := range []string{"docker", "nsenter", "nft"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("place compose: nobody can look at what is left: %v", err)
		}
	}
	script(t, "attach-compose.txtar")
}

var redisNodes = []string{"r1", "r2", "r3"}

// theirs is a project of containers that a script has started as compose does.
type theirs struct {
	api     *client.Client
	project string
	ids     []string
	before  string // of the servers
}

// theirsKey is where a script keeps it.
type theirsKey struct{}

// redises starts a primary and two replicas, which go with the script, and writes
// their project's name into the plans in place of PROJECT. It has no sentinel.
func redises(ts *testscript.TestScript, _ bool, _ []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	api, err := client.New(client.FromEnv)
	ts.Check(err)
	p := ts.Value(theirsKey{}).(*theirs)
	*p = theirs{api: api, project: "shop" + strings.ToLower(rand.Text()[:8])}
	ts.Defer(p.remove)
	_, err = api.NetworkCreate(ctx, p.project, client.NetworkCreateOptions{Driver: "bridge"})
	ts.Check(err)
	for i, service := range redisNodes {
		command := []string{"redis-server", "--save", "", "--protected-mode", "no"}
		if i > 0 {
			command = append(command, "--replicaof", p.container(redisNodes[0]), "6379")
		}
		made, err := api.ContainerCreate(ctx, client.ContainerCreateOptions{Name: p.container(service),
			Config: &container.Config{Image: redisImage, Cmd: command, Labels: map[string]string{
				"com.docker.compose.project": p.project, "com.docker.compose.service": service, "com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False"}},
			HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(p.project), RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyUnlessStopped}}})
		ts.Check(err)
		p.ids = append(p.ids, made.ID)
		_, err = api.ContainerStart(ctx, made.ID, client.ContainerStartOptions{})
		ts.Check(err)
	}
	ts.Setenv("PROJECT", p.project)
	fill(ts, "PROJECT", p.project)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		said, _ := exec.Command("docker", "exec", p.container("r1"), "redis-cli", "info", "replication").CombinedOutput()
		if strings.Count(string(said), "state=online") == 2 {
			break
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the replicas do not come: %s", said)
		}
	}
	p.before, _ = p.state()
}

func (p *theirs) container(service string) string { return p.project + "_" + service + "_1" }

func (p *theirs) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, id := range p.ids {
		_, _ = p.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	}
	_, _ = p.api.NetworkRemove(ctx, p.project, client.NetworkRemoveOptions{})
	_ = p.api.Close()
}

// state is what a run could change of the containers: their lives, their processes,
// and the rules in their networks; and which keys of runs they hold.
func (p *theirs) state() (servers, keys string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var b strings.Builder
	for i, id := range p.ids {
		res, err := p.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", redisNodes[i], err)
			continue
		}
		s := res.Container.State
		fmt.Fprintf(&b, "%s since %s: %s, paused %t\n", redisNodes[i], s.StartedAt, s.Status, s.Paused)
		top, err := p.api.ContainerTop(ctx, id, client.ContainerTopOptions{Arguments: []string{"-eo", "pid,stat,args"}})
		if err != nil {
			fmt.Fprintln(&b, err)
		}
		for _, process := range top.Processes {
			stopped := strings.ContainsAny(process[1], "Tt")
			fmt.Fprintf(&b, "  process %s %s, stopped %t\n", process[0], process[2:], stopped)
		}
		rules, err := exec.Command("nsenter", "-t", fmt.Sprint(s.Pid), "-n", "nft", "list", "ruleset").CombinedOutput()
		fmt.Fprintf(&b, "  rules %q %v\n", rules, err)
		found, err := exec.Command("docker", "exec", id, "redis-cli", "--scan", "--pattern", "aftershock_*").CombinedOutput()
		keys += string(found)
		if err != nil {
			keys += err.Error()
		}
	}
	return b.String(), strings.TrimSpace(keys)
}

// untouched fails unless all is as it was at the begin, or is so soon; with
// "servers", whatever keys there are. With ! it fails if all is so at once.
func untouched(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(theirsKey{}).(*theirs)
	for deadline := time.Now().Add(goneTime); ; time.Sleep(200 * time.Millisecond) {
		servers, keys := p.state()
		same := servers == p.before && (keys == "" || slices.Contains(args, "servers"))
		switch {
		case same && neg:
			ts.Fatalf("nothing was touched:\n%s", servers)
		case same || neg:
			return
		case time.Now().After(deadline):
			ts.Fatalf("it was\n%s\nand is\n%s\nwith the keys %q", p.before, servers, keys)
		}
	}
}

// awaitfault RUNS waits until the newest run of a folder has put a fault into effect.
func awaitFault(ts *testscript.TestScript, _ bool, args []string) {
	events := filepath.Join(ts.MkAbs(args[0]), "latest", "events.jsonl")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		text, _ := os.ReadFile(events) // not there yet
		if strings.Contains(string(text), `"kind":"fault"`) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no fault after a minute: %s", text)
		}
	}
}
