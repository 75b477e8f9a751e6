package docker

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

func TestNoEngineIsToldInTime(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.sock")
	mute := filepath.Join(t.TempDir(), "mute.sock")
	l, err := net.Listen("unix", mute) // accepts by its backlog, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	spec := newSpec(t, 1)
	for _, socket := range []string{none, mute} {
		t.Setenv("DOCKER_HOST", "unix://"+socket)
		begin := time.Now()
		err := Available(t.Context())
		if took := time.Since(begin); took > 2500*time.Millisecond {
			t.Errorf("%s: took %s", socket, took)
		}
		if !errors.Is(err, cluster.ErrUnavailable) {
			t.Fatalf("%s: %v", socket, err)
		}
		for _, word := range []string{socket, "systemctl start docker", "host: local"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q does not name %q", err, word)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		begin = time.Now()
		if err := Available(ctx); err == nil || time.Since(begin) > time.Second {
			t.Errorf("%s: the caller's bound is not kept: %v after %s", socket, err, time.Since(begin))
		}
		if _, err := New(nil).Launch(ctx, spec); err == nil {
			t.Errorf("%s: launched", socket)
		}
		cancel()
	}
	t.Setenv("DOCKER_HOST", "nonsense")
	if err := Available(t.Context()); !errors.Is(err, cluster.ErrUnavailable) || !strings.Contains(err.Error(), "DOCKER_HOST") {
		t.Errorf("a senseless DOCKER_HOST: %v", err)
	}
}

func TestEngineInfo(t *testing.T) {
	needEngine(t)
	info, err := EngineInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.Version == "" || info.API == "" || info.Host == "" || info.Arch == "" || info.Storage == "" {
		t.Errorf("incomplete: %+v", info)
	}
}

func TestAnUnknownImageIsToldWithItsRemedy(t *testing.T) {
	eng := needEngine(t)
	const image = "127.0.0.1:1/aftershock-test/none:1" // nobody listens there
	_, err := eng.image(t.Context(), image)
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, cluster.ErrImage) {
			t.Fatalf("%s: %v", what, err)
		}
		for _, word := range []string{image, "docker pull " + image, "target.image", "refused"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q does not name %q", what, err, word)
			}
		}
	}
	check("image", err)
	spec := newSpec(t, 2)
	spec.Nodes[1].Image = image
	_, err = New(nil).Launch(t.Context(), spec)
	check("launch", err)
	if l := left(t, eng, spec.Run); len(l) != 0 {
		t.Errorf("left behind: %v", l)
	}
}
