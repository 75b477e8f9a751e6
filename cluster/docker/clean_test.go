package docker

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster/owner"
)

// things makes containers and networks for Clean to judge, with the engine's
// own client and without this package's help.
type things struct {
	t     *testing.T
	eng   *engine
	image string
	names map[string]string // what is expected to be kept or removed, to its id

	networks map[string]bool // which of the names are those of networks
}

// container makes one, and runs it if command is given.
func (s *things) container(name string, labels map[string]string, command ...string) {
	s.t.Helper()
	config := &container.Config{Image: s.image, Labels: labels}
	if len(command) > 0 {
		config.Entrypoint, config.Cmd = command[:1], command[1:]
	}
	res, err := s.eng.api.ContainerCreate(s.t.Context(), client.ContainerCreateOptions{
		Name: name, Config: config, HostConfig: &container.HostConfig{NetworkMode: "none"},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.names[name] = res.ID
	s.t.Cleanup(func() {
		if err := s.eng.removeContainer(context.Background(), res.ID); err != nil {
			s.t.Error(err)
		}
	})
	if len(command) == 0 {
		return
	}
	if _, err := s.eng.api.ContainerStart(s.t.Context(), res.ID, client.ContainerStartOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *things) network(name string, labels map[string]string) {
	s.t.Helper()
	res, err := s.eng.api.NetworkCreate(s.t.Context(), name, client.NetworkCreateOptions{Driver: "bridge", Labels: labels})
	if err != nil {
		s.t.Fatal(err)
	}
	s.names[name] = res.ID
	if s.networks == nil {
		s.networks = map[string]bool{}
	}
	s.networks[name] = true
	s.t.Cleanup(func() {
		if err := s.eng.removeNetwork(context.Background(), res.ID); err != nil {
			s.t.Error(err)
		}
	})
}

// waitExit waits until a container has ended.
func (s *things) waitExit(name string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), callTimeout)
	defer cancel()
	wait := s.eng.api.ContainerWait(ctx, s.names[name], client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-wait.Result:
	case err := <-wait.Error:
		s.t.Fatal(err)
	}
}

func (s *things) exists(name string) bool {
	s.t.Helper()
	var err error
	if s.networks[name] {
		_, err = s.eng.api.NetworkInspect(s.t.Context(), s.names[name], client.NetworkInspectOptions{})
	} else {
		_, err = s.eng.api.ContainerInspect(s.t.Context(), s.names[name], client.ContainerInspectOptions{})
	}
	if err != nil && !notFound(err) {
		s.t.Fatal(err)
	}
	return err == nil
}

// owned is a run with its marks, whose harness is this process until it dies.
type owned struct {
	t    *testing.T
	id   identity
	lock *os.File
}

func newOwned(t *testing.T, run string) *owned {
	t.Helper()
	o := &owned{t: t, id: identity{run: run, launch: rand.Text()}}
	o.lock = heldLock(t, run, o.id.launch)
	var err error
	if o.id.mark, err = owner.New(o.lock.Name()); err != nil {
		t.Fatal(err)
	}
	return o
}

// mortal is a run whose harness is a process of that number that is no more: it lives as
// long as its lock is held. Until it dies, nobody else who cleans up may remove its things.
func (o *owned) mortal() *owned {
	o.id.mark.Start += "0"
	return o
}

// die lets go of the lock.
func (o *owned) die() { _ = o.lock.Close() }

// vanish is die, with the run's folder deleted.
func (o *owned) vanish() {
	o.t.Helper()
	if err := os.RemoveAll(filepath.Dir(o.lock.Name())); err != nil {
		o.t.Fatal(err)
	}
	o.die()
}

func (o *owned) node(name string) map[string]string {
	labels := o.id.labels()
	labels[labelNode] = name
	return labels
}

func TestCleanRemovesDeadRunsOnly(t *testing.T) {
	eng := needEngine(t)
	run := newSpec(t, 0).Run
	s := &things{t: t, eng: eng, image: makeImage(t, eng, "clean", `ENTRYPOINT ["/opt/server"]`), names: map[string]string{}}
	echo := []string{"/opt/server", "echo", "127.0.0.1:7000"}
	end := []string{"/opt/server", "echo", "nonsense"}
	var removed []string
	container := func(remove bool, o *owned, node string, command ...string) {
		t.Helper()
		name := nodeContainer(o.id.run, node)
		s.container(name, o.node(node), command...)
		if remove {
			removed = append(removed, name)
		}
	}
	network := func(remove bool, o *owned) {
		t.Helper()
		s.network(networkName(o.id.run), o.id.labels())
		if remove {
			removed = append(removed, networkName(o.id.run))
		}
	}

	dead := newOwned(t, run+"-net-dead").mortal()
	network(true, dead)
	container(true, dead, "created")
	container(true, dead, "running", echo...)
	gone := newOwned(t, run+"-net-gone").mortal() // no proof any more, but nothing that runs either
	network(true, gone)
	container(true, gone, "created")
	container(true, gone, "exited", end...)
	container(false, gone, "running", echo...)

	alive := newOwned(t, run+"-net-alive")
	network(false, alive)
	container(false, alive, "created")
	moved := newOwned(t, run+"-net-moved") // alive, its folder elsewhere
	dir := filepath.Dir(moved.lock.Name())
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	network(false, moved)
	container(false, moved, "exited", end...)
	container(false, moved, "running", echo...)
	boot := newOwned(t, run+"-boot").mortal()
	boot.id.mark.Boot = "another boot"
	container(false, boot, "running", echo...)

	// Copied labels make nothing ours.
	s.container("foreign-"+run, dead.node("created"))
	s.container("foreign-"+run+"-running", dead.node("running"), echo...)
	s.container("foreign-"+run+"-unlabelled", nil)
	s.container(networkName(run)+"-half-labelled", map[string]string{labelRun: run, labelLock: dead.id.mark.Lock, labelBoot: owner.BootID()}, end...)
	s.network("foreign-net-"+run, dead.id.labels())
	s.network(networkName(run)+"-net-unlabelled", nil)
	elsewhere := newOwned(t, run+"-elsewhere").mortal()
	elsewhere.id.mark.Lock = heldLock(t, "other", "x").Name()
	container(false, elsewhere, "exited", end...)
	for _, name := range []string{nodeContainer(gone.id.run, "exited"), nodeContainer(moved.id.run, "exited"), nodeContainer(elsewhere.id.run, "exited"), networkName(run) + "-half-labelled"} {
		s.waitExit(name)
	}

	dead.die()
	gone.vanish()
	boot.die()
	elsewhere.die()
	told, err := Clean(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name := range s.names {
		want := !slices.Contains(removed, name)
		if got := s.exists(name); got != want {
			t.Errorf("%s exists: %t, want %t", name, got, want)
		}
		mentioned := slices.Contains(told, "container "+name) || slices.Contains(told, "network "+name)
		if want && mentioned {
			t.Errorf("%s is told to be removed", name)
		}
	}
}

func TestReapRemovesItsLaunchOnly(t *testing.T) {
	eng := needEngine(t)
	run := newSpec(t, 0).Run
	s := &things{t: t, eng: eng, image: makeImage(t, eng, "reap", `ENTRYPOINT ["/opt/server"]`), names: map[string]string{}}
	own, other := newOwned(t, run+"-net-own"), newOwned(t, run+"-net-other")
	for _, o := range []*owned{own, other} {
		s.network(networkName(o.id.run), o.id.labels())
		s.container(nodeContainer(o.id.run, "n1"), o.node("n1"), "/opt/server", "echo", "127.0.0.1:7000")
	}
	s.container("foreign-"+run, own.node("n1"))
	for _, want := range []bool{true, false} {
		if found, err := Reap(t.Context(), own.id.launch); found != want || err != nil {
			t.Errorf("found %t, want %t, %v", found, want, err)
		}
	}
	for name := range s.names {
		want := !strings.HasPrefix(name, networkName(own.id.run))
		if got := s.exists(name); got != want {
			t.Errorf("%s exists: %t, want %t", name, got, want)
		}
	}
}

func TestCleanImagesSparesWhatIsUsed(t *testing.T) {
	eng := needEngine(t)
	// A label of its own: the machine's other node images may be in need.
	label := "aftershock.test=" + strconv.Itoa(os.Getpid())
	tag := func(image, name string) string {
		t.Helper()
		name = fmt.Sprintf("%s:%s-%d", nodeRepository, name, os.Getpid())
		if _, err := eng.api.ImageTag(t.Context(), client.ImageTagOptions{Source: image, Target: name}); err != nil {
			t.Fatal(err)
		}
		builtImages = append(builtImages, name)
		return name
	}
	foreign := makeImage(t, eng, "kept", "LABEL "+label)
	unused := tag(foreign, "unused")
	used := tag(makeImage(t, eng, "used", "LABEL "+label, `ENTRYPOINT ["/opt/server"]`), "used")
	if _, err := eng.api.ImageRemove(t.Context(), fmt.Sprintf("aftershock-test:used-%d", os.Getpid()), client.ImageRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	s := &things{t: t, eng: eng, image: used, names: map[string]string{}}
	s.container("aftershock-"+newSpec(t, 0).Run, nil)

	removed, err := eng.cleanImages(t.Context(), label)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(removed, []string{"image " + unused}) {
		t.Errorf("removed %v", removed)
	}
	if _, err := eng.api.ImageInspect(t.Context(), unused); !notFound(err) {
		t.Errorf("the unused image: %v", err)
	}
	for _, name := range []string{used, foreign} {
		if _, err := eng.api.ImageInspect(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
