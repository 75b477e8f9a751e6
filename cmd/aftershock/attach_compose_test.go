package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/workloads"
)

const redisImage = "aftershock/redis:8.0"

// needRedises skips the test, by name, where containers of Redis cannot be had or
// looked into.
func needRedises(t *testing.T) {
	t.Helper()
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
}

func TestAttachedByCompose(t *testing.T) {
	needRedises(t)
	script(t, "attach-compose.txtar")
}

// made is a container as testcontainers-go has them.
type made string

func (m made) GetContainerID() string { return string(m) }

// handOver starts containers, hands them over as a test in Go does, and breaks one of
// them, without further permission.
func handOver(t *testing.T, fault faults.Spec, victim int) *theirs {
	t.Helper()
	needRedises(t)
	p := &theirs{}
	t.Cleanup(p.remove)
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	fault.Victim = p.ids[victim][:12]
	result, err := aftershock.Run(t.Context(), &aftershock.Plan{
		Name: "handed-over", Warmup: 200 * time.Millisecond, Duration: 4 * time.Second, Settle: 20 * time.Second,
		Target:    aftershock.Target{Name: "redis", Attach: aftershock.Containers(made(p.ids[0]), made(p.ids[1]), made(p.ids[2]))},
		Workloads: []workloads.Spec{{Type: "register", Clients: 4, Rate: 200}},
		Faults:    []faults.Spec{fault},
		Claims:    []string{"writes.lost == 0", "recovered"},
	}, aftershock.Options{RunsDir: t.TempDir(), Binary: binary})
	if err != nil {
		t.Fatal(err)
	}
	if v := result.Verdict; v.Verdict != results.Holds || len(v.Faults) != 1 || len(v.Faults[0].Victims) != 1 || v.Faults[0].Victims[0] != fault.Victim {
		t.Errorf("%s: %+v %+v", v.Verdict, v.Faults, v.Gates)
	}
	return p
}

// TestContainersOfATest: containers that were handed over and paused are as before then.
func TestContainersOfATest(t *testing.T) {
	p := handOver(t, faults.Spec{At: time.Second, For: 1500 * time.Millisecond, Kind: "pause"}, 1)
	if servers, keys := p.state(); servers != p.before || keys != "" {
		t.Errorf("it was\n%s\nand is\n%s\nwith the keys %q", p.before, servers, keys)
	}
}

// TestContainerThatCrashes: what a crash of a launched node needs, a volume of our own, is
// asked of nobody else's containers; their own restart policy mends it.
func TestContainerThatCrashes(t *testing.T) {
	p := handOver(t, faults.Spec{At: time.Second, Kind: "crash"}, 2)
	servers, keys := p.state()
	if keys != "" {
		t.Errorf("the keys %q are left", keys)
	}
	life := regexp.MustCompile(redisNodes[2] + ` since (\S+): running`)
	before, after := life.FindStringSubmatch(p.before), life.FindStringSubmatch(servers)
	if before == nil || after == nil || before[1] == after[1] {
		t.Errorf("it was\n%s\nand is\n%s: the container did not start again", p.before, servers)
	}
}

var redisNodes = []string{"r1", "r2", "r3"}

// theirs is a project of containers that a script has started as compose does.
type theirs struct {
	api     *client.Client
	project string
	ids     []string
	before  string // of the servers

	password string // empty: they ask for none
}

// theirsKey is where a script keeps it.
type theirsKey struct{}

// redises [PASSWORD] starts a primary and two replicas, which go with the script, and writes
// their project's name into the plans in place of PROJECT.
func redises(ts *testscript.TestScript, _ bool, args []string) {
	p := ts.Value(theirsKey{}).(*theirs)
	ts.Defer(p.remove)
	if len(args) > 0 {
		p.password = args[0]
	}
	ts.Check(p.start())
	ts.Setenv("PROJECT", p.project)
	fill(ts, "PROJECT", p.project)
}

// start starts a primary and two replicas, without a sentinel, and waits for these.
func (p *theirs) start() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if p.api, err = client.New(client.FromEnv); err != nil {
		return err
	}
	p.project = "shop" + strings.ToLower(rand.Text()[:8])
	if _, err = p.api.NetworkCreate(ctx, p.project, client.NetworkCreateOptions{Driver: "bridge"}); err != nil {
		return err
	}
	for i, service := range redisNodes {
		command := []string{"redis-server", "--save", "", "--protected-mode", "no"}
		if i > 0 {
			command = append(command, "--replicaof", p.container(redisNodes[0]), "6379")
		}
		made, err := p.api.ContainerCreate(ctx, client.ContainerCreateOptions{Name: p.container(service),
			Config: &container.Config{Image: redisImage, Cmd: command, Labels: map[string]string{
				"com.docker.compose.project": p.project, "com.docker.compose.service": service, "com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False"}},
			HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(p.project), RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyUnlessStopped}}})
		if err != nil {
			return err
		}
		p.ids = append(p.ids, made.ID)
		if _, err = p.api.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		said, _ := exec.Command("docker", "exec", p.container("r1"), "redis-cli", "info", "replication").CombinedOutput()
		if strings.Count(string(said), "state=online") == 2 {
			err := p.protect()
			p.before, _ = p.state()
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the replicas do not come: %w", ctx.Err())
}

// protect has the servers ask for a password, which is in no process's arguments.
func (p *theirs) protect() error {
	for _, id := range p.ids {
		if p.password == "" {
			return nil
		}
		c := exec.Command("docker", "exec", "-i", id, "redis-cli")
		c.Stdin = strings.NewReader(fmt.Sprintf("config set masterauth %[1]s\nconfig set requirepass %[1]s\n", p.password))
		if said, err := c.CombinedOutput(); err != nil || strings.Count(string(said), "OK") != 2 {
			return fmt.Errorf("set the password: %v: %s", err, said)
		}
	}
	return nil
}

func (p *theirs) container(service string) string { return p.project + "_" + service + "_1" }

func (p *theirs) remove() {
	if p.api == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, id := range p.ids {
		_, _ = p.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	}
	_, _ = p.api.NetworkRemove(ctx, p.project, client.NetworkRemoveOptions{})
	_ = p.api.Close()
}

// counters are what a rule of the engine's own, for names, has seen.
var counters = regexp.MustCompile(`packets \d+ bytes \d+`)

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
		fmt.Fprintf(&b, "  rules %q %v\n", counters.ReplaceAll(rules, nil), err)
		look := []string{"exec", id, "redis-cli", "--scan", "--pattern", "aftershock_*"}
		if p.password != "" {
			look = slices.Insert(look, 1, "-e", "REDISCLI_AUTH="+p.password)
		}
		found, err := exec.Command("docker", look...).CombinedOutput()
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
