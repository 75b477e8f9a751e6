package docker

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// things makes containers and networks for Clean to judge, with the engine's
// own client and without this package's help.
type things struct {
	t     *testing.T
	eng   *engine
	image string
	names map[string]string // what is expected to be kept or removed, to its id
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
	if strings.Contains(name, "-net-") {
		_, err = s.eng.api.NetworkInspect(s.t.Context(), s.names[name], client.NetworkInspectOptions{})
	} else {
		_, err = s.eng.api.ContainerInspect(s.t.Context(), s.names[name], client.ContainerInspectOptions{})
	}
	if err != nil && !notFound(err) {
		s.t.Fatal(err)
	}
	return err == nil
}

func TestCleanRemovesDeadRunsOnly(t *testing.T) {
	eng := needEngine(t)
	spec := newSpec(t, 0)
	image := makeImage(t, eng, "clean", `ENTRYPOINT ["/opt/server"]`)
	s := &things{t: t, eng: eng, image: image, names: map[string]string{}}
	labels := func(run, lock, boot string) map[string]string {
		return map[string]string{labelRun: spec.Run + run, labelLock: lock, labelBoot: boot}
	}
	dead, alive := lockFile(t, false), lockFile(t, true)
	gone := t.TempDir() + "/gone"
	echo := []string{"/opt/server", "echo", "127.0.0.1:7000"}
	pre := "aftershock-" + spec.Run

	s.container(pre+"-dead-n1", labels("d", dead, bootID()))
	s.network(pre+"-net-dead", labels("d", dead, bootID()))
	s.container(pre+"-dead-running", labels("d", dead, bootID()), echo...)
	s.container(pre+"-gone-exited", labels("g", gone, bootID()), "/opt/server", "echo", "nonsense")
	removed := []string{pre + "-dead-n1", pre + "-net-dead", pre + "-dead-running", pre + "-gone-exited"}

	s.container(pre+"-alive-n1", labels("a", alive, bootID()))
	s.network(pre+"-net-alive", labels("a", alive, bootID()))
	s.container(pre+"-gone-running", labels("g", gone, bootID()), echo...)
	s.container(pre+"-gone-young", labels("g", gone, bootID()))
	s.network(pre+"-net-gone", labels("g", gone, bootID()))
	s.container(pre+"-boot-running", labels("b", dead, "another boot"), echo...)
	s.container(pre+"-unlabelled", nil)
	s.container(pre+"-half-labelled", map[string]string{labelLock: dead, labelBoot: bootID()})
	s.network(pre+"-net-unlabelled", nil)
	s.waitExit(pre + "-gone-exited")

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
