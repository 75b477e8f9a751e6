package compose

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/owner"
	"github.com/aftershock-chaos/aftershock/cluster/reaper"
)

func paused(t *testing.T, p *project, id string) bool {
	t.Helper()
	res, err := p.api.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return res.Container.State.Paused
}

// harnessVariable makes the test binary a harness that breaks a project and waits to
// be killed: "project binary dir guard".
const harnessVariable = "AFTERSHOCK_TEST_HARNESS"

// beHarness has db1 paused, db2 cut off from everybody and db3 killed.
func beHarness(arguments string) error {
	ctx := context.Background()
	f := strings.Fields(arguments)
	project, binary, dir, guard := f[0], f[1], f[2], f[3] == "guard"
	launch := rand.Text()
	lock, err := owner.Lock(filepath.Join(dir, "lock"), launch)
	if err != nil {
		return err
	}
	if guard {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		held, err := reaper.Start(self, reaper.Order{Host: "compose", Launch: launch})
		if err != nil {
			return err
		}
		defer held.Release()
	}
	spec := cluster.AttachSpec{Run: filepath.Base(dir), Launch: launch, LockFile: lock.Name(), Port: serverPort, Binary: binary, Lease: testLease,
		Logger: slog.New(slog.DiscardHandler)}
	d, err := New(Target{Project: project, Services: services}).Find(ctx, spec)
	if err != nil {
		return err
	}
	if err := d.Invite(ctx); err != nil {
		return err
	}
	nodes := d.Nodes()
	rules := []cluster.Rule{{Peer: d.HarnessAddr(), In: true, Out: true}, {Peer: nodes[0].At(), In: true, Out: true}}
	for i, a := range []cluster.Action{
		{Kind: cluster.Pause, ID: "p"},
		{Kind: cluster.Block, ID: "b", Rules: rules},
		{Kind: cluster.Kill, ID: "k"},
	} {
		if _, err := nodes[i].Do(ctx, a); err != nil {
			return err
		}
	}
	fmt.Println("broken")
	for began := time.Now(); time.Since(began) < time.Minute; { // the engine and its restart policy are kept busy
		if _, err := nodes[1].Do(ctx, cluster.Action{Kind: cluster.Crash, ID: "c"}); err != nil {
			return err
		}
		for _, kind := range []cluster.ActionKind{cluster.Restart, cluster.Kill} {
			if _, err := nodes[2].Do(ctx, cluster.Action{Kind: kind, ID: "k"}); err != nil {
				return err
			}
		}
	}
	return lock.Close()
}

// startHarness starts beHarness in a process of its own.
func startHarness(t *testing.T, p *project, guard string) (harness *exec.Cmd, out *bufio.Reader, run string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run = "run-" + p.name
	dir := filepath.Join(t.TempDir(), run)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	harness = exec.Command(self)
	harness.Env = append(os.Environ(), harnessVariable+"="+strings.Join([]string{p.name, p.node, dir, guard}, " "))
	harness.Stderr = t.Output()
	pipe, err := harness.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Start(); err != nil {
		t.Fatal(err)
	}
	return harness, bufio.NewReader(pipe), run
}

// killHarness runs a harness, kills it when all is broken, and returns the run's id.
func killHarness(t *testing.T, p *project, guard string) string {
	t.Helper()
	harness, out, run := startHarness(t, p, guard)
	line, err := out.ReadString('\n')
	killed := harness.Process.Kill()
	_ = harness.Wait()
	if line != "broken\n" || err != nil || killed != nil {
		t.Fatalf("the harness says %q; %v; %v", line, err, killed)
	}
	return run
}

// serving lists the addresses of the project's services that answer.
func serving(t *testing.T, p *project) (list []string) {
	t.Helper()
	for _, s := range services {
		res, err := p.api.ContainerInspect(t.Context(), p.name+"_"+s+"_1", client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range res.Container.NetworkSettings.Networks {
			if e.IPAddress.IsValid() {
				if _, err := asks(e.IPAddress, 200*time.Millisecond); err == nil {
					list = append(list, s)
				}
			}
		}
	}
	return list
}

const afterKill = 15 * time.Second

// A harness that was killed leaves nothing of its own, and everything serves.
func TestKilledHarness(t *testing.T) {
	p := newProject(t)
	p.runAll()
	run := killHarness(t, p, "guard")
	began := time.Now()
	until(t, "everything serves", afterKill, func() bool { return slices.Equal(serving(t, p), services) })
	t.Logf("served after %s", time.Since(began).Round(time.Millisecond))
	until(t, "nothing is left", afterKill-time.Since(began), func() bool { return len(left(t, p.api, run)) == 0 })
	t.Logf("nothing left after %s", time.Since(began).Round(time.Millisecond))
}

// At whatever instant it is killed: while guests are invited, faults begin, or after.
func TestKilledAtAnyTime(t *testing.T) {
	p := newProject(t)
	p.runAll()
	for i := range 4 {
		harness, out, run := startHarness(t, p, "guard")
		if i%2 > 0 { // or while what was broken restarts
			if line, err := out.ReadString('\n'); line != "broken\n" || err != nil {
				t.Fatalf("the harness says %q; %v", line, err)
			}
		}
		time.Sleep(time.Duration(mathrand.IntN(3000)) * time.Millisecond)
		began := time.Now()
		if err := harness.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = harness.Wait()
		until(t, "everything serves", afterKill, func() bool { return slices.Equal(serving(t, p), services) })
		until(t, "nothing is left", afterKill-time.Since(began), func() bool { return len(left(t, p.api, run)) == 0 })
		t.Logf("%d: after %s", i, time.Since(began).Round(time.Millisecond))
		// What the engine was asked for last may still come.
		time.Sleep(time.Second)
		until(t, "nothing is left", afterKill-time.Since(began), func() bool { return len(left(t, p.api, run)) == 0 })
	}
}

// What is paused for its rules goes on when the harness is not there to see to it.
func TestPausedIsLetGo(t *testing.T) {
	p := newProject(t)
	id := p.run("db1", nil)
	spec := p.spec()
	d := p.find(Target{Project: p.name, Services: services[:1]}, spec)
	if err := d.Invite(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := d.(*deployment).nodes[0]
	g := n.holdBack(t.Context(), id)
	defer g.goOn()
	if g.stood.IsZero() || !paused(t, p, id) {
		t.Fatal("it is not held back")
	}
	if found, err := docker.Reap(t.Context(), spec.Launch); !found || err != nil {
		t.Fatalf("reap: %t, %v", found, err)
	}
	if paused(t, p, id) {
		t.Error("it is left paused")
	}
	if l := left(t, p.api, spec.Run); len(l) > 0 {
		t.Errorf("left: %v", l)
	}
}

// The watchdog lets it go on whatever happens.
func TestWatchdog(t *testing.T) {
	p := newProject(t)
	id := p.run("db1", nil)
	d := p.find(Target{Project: p.name, Services: services[:1]}, p.spec())
	if err := d.Invite(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := d.(*deployment).nodes[0].holdBack(t.Context(), id)
	defer g.goOn()
	if g.stood.IsZero() {
		t.Fatal("it is not held back")
	}
	until(t, "it goes on", guardTimeout+5*time.Second, func() bool { return !paused(t, p, id) })
}

// If its reaper was killed with it, the lease heals what guests hold; the rest is
// Clean's.
func TestKilledHarnessWithoutReaper(t *testing.T) {
	p := newProject(t)
	p.runAll()
	run := killHarness(t, p, "alone")
	began := time.Now()
	until(t, "what was paused and cut off serves", afterKill, func() bool { // what was killed as well, if another launch has cleaned up
		s := serving(t, p)
		return len(s) >= 2 && slices.Equal(s[:2], services[:2])
	})
	t.Logf("healed after %s", time.Since(began).Round(time.Millisecond))
	until(t, "the guests have ended", afterKill-time.Since(began), func() bool {
		return !slices.ContainsFunc(running(t, p, run), func(string) bool { return true })
	})
	if _, err := docker.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l := left(t, p.api, run); len(l) > 0 {
		t.Errorf("left: %v", l)
	}
	until(t, "everything serves", afterKill, func() bool { return slices.Equal(serving(t, p), services) })
}

// running lists the containers of a run that run.
func running(t *testing.T, p *project, run string) (list []string) {
	t.Helper()
	res, err := p.api.ContainerList(t.Context(), client.ContainerListOptions{Filters: make(client.Filters).Add("label", "aftershock.run="+run)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range res.Items {
		list = append(list, c.Names[0])
	}
	return list
}

// A guest that is killed takes its hold along; that is told, and another comes.
func TestKilledGuest(t *testing.T) {
	p := newProject(t)
	p.runAll()
	d := p.attach()
	n := d.Nodes()[0]
	block(t, "f1", n, d.Nodes()[1].At())
	do(t, n, cluster.Action{Kind: cluster.Pause, ID: "p"})
	guest := running(t, p, "run-"+p.name)
	i := slices.IndexFunc(guest, func(name string) bool { return strings.Contains(name, "-db1-") })
	if _, err := p.api.ContainerKill(t.Context(), guest[i], client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		t.Fatal(err)
	}
	if _, err := asks(n.At(), 5*time.Second); err != nil {
		t.Errorf("the server is held by a guest that is dead: %v", err)
	}
	if c := change(t, d, cluster.Lapsed); c.Node != 0 {
		t.Errorf("%+v", c)
	}
	do(t, n, cluster.Action{Kind: cluster.Pause, ID: "p2"})
	do(t, n, cluster.Action{Kind: cluster.Resume, ID: "p2"})
	if reaches(t, n, d.Nodes()[1]) {
		t.Error("the rules are not in force again")
	}
	if e := do(t, n, cluster.Action{Kind: cluster.Unblock, ID: "f1"}); !e.Changed {
		t.Error("the heal changed nothing")
	}
}

// Who comes second is told so, and breaks nothing of the first.
func TestSecondRun(t *testing.T) {
	p := newProject(t)
	p.runAll()
	d := p.attach()
	nodes := d.Nodes()
	block(t, "f1", nodes[0], nodes[1].At())
	spec := p.spec()
	spec.Run += "-second"
	spec.LockFile = ""
	second := p.find(Target{Project: p.name, Services: services}, spec)
	if err := second.Invite(t.Context()); err == nil || !strings.Contains(err.Error(), "lock file") {
		t.Errorf("without a lock: %v", err)
	}
	p.close(second)
	dir := filepath.Join(t.TempDir(), spec.Run)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := owner.Lock(filepath.Join(dir, "lock"), spec.Launch)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	spec.LockFile = lock.Name()
	second = p.find(Target{Project: p.name, Services: services}, spec)
	if err := second.Invite(t.Context()); err == nil || !strings.Contains(err.Error(), "another run is attached") {
		t.Errorf("the second: %v", err)
	} else {
		t.Log(err)
	}
	p.close(second)
	if l := left(t, p.api, spec.Run); len(l) > 0 {
		t.Errorf("left: %v", l)
	}
	if reaches(t, nodes[0], nodes[1]) {
		t.Error("the first one's partition is over")
	}
	if e := do(t, nodes[0], cluster.Action{Kind: cluster.Unblock, ID: "f1"}); e.Lapsed != 0 || !e.Changed {
		t.Errorf("%+v", e)
	}
}
