package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Info describes the engine that answers.
type Info struct {
	Host     string // where it listens: unix:///var/run/docker.sock
	Version  string // "20.10.24"
	API      string // the API version spoken with it
	OS       string // "Debian GNU/Linux 12 (bookworm)"
	Kernel   string
	Arch     string
	Storage  string // storage driver
	Cgroup   string // cgroup driver and version: "cgroupfs v1"
	Rootless bool
	Desktop  bool // containers run in a virtual machine of Docker Desktop
}

// Available tells whether this machine's engine can hold nodes. It returns
// within 2 s, earlier if ctx ends. Its error wraps cluster.ErrUnavailable and
// says what to do.
func Available(ctx context.Context) error {
	_, err := EngineInfo(ctx)
	return err
}

// EngineInfo describes the engine. Its error is Available's; when the engine
// answers but cannot hold nodes, the description is returned along with it.
func EngineInfo(ctx context.Context) (Info, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	eng, err := connect(ctx, slog.Default())
	if err != nil {
		return Info{}, err
	}
	defer eng.close()
	res, err := eng.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return Info{}, eng.unavailable(err)
	}
	in := res.Info
	info := Info{
		Host: eng.api.DaemonHost(), Version: in.ServerVersion, API: eng.api.ClientVersion(),
		OS: in.OperatingSystem, Kernel: in.KernelVersion, Arch: in.Architecture, Storage: in.Driver,
		Cgroup:   in.CgroupDriver + " v" + in.CgroupVersion,
		Rootless: slices.ContainsFunc(in.SecurityOptions, func(o string) bool { return strings.HasPrefix(o, "name=rootless") }),
		Desktop:  strings.HasPrefix(in.OperatingSystem, "Docker Desktop"),
	}
	switch {
	case in.OSType != "" && in.OSType != "linux":
		err = fmt.Errorf("%w: the engine runs %s containers; switch it to Linux containers", cluster.ErrUnavailable, in.OSType)
	case info.Rootless:
		err = fmt.Errorf("%w: the Docker engine at %s is rootless, so that its containers' addresses cannot be reached from here; use a rootful engine (DOCKER_HOST) or host: local", cluster.ErrUnavailable, info.Host)
	case info.Desktop:
		err = fmt.Errorf("%w: Docker Desktop runs its containers in a virtual machine whose addresses cannot be reached from here; run aftershock on Linux with a Docker engine", cluster.ErrUnavailable)
	}
	return info, err
}

// engine is one connection to the Docker engine.
type engine struct {
	api *client.Client
	log *slog.Logger
}

// connect finds the engine and makes sure that it answers, within pingTimeout.
func connect(ctx context.Context, log *slog.Logger) (*engine, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	opts := []client.Opt{client.FromEnv}
	if sock := fallbackSocket(); sock != "" {
		opts = append(opts, client.WithHost("unix://"+sock))
	}
	api, err := client.New(opts...)
	if err != nil {
		return nil, fmt.Errorf("%w: Docker client: %w; correct DOCKER_HOST, DOCKER_CERT_PATH and DOCKER_API_VERSION", cluster.ErrUnavailable, err)
	}
	eng := &engine{api: api, log: log}
	if _, err := api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		eng.close()
		return nil, eng.unavailable(err)
	}
	return eng, nil
}

// fallbackSocket is the first engine socket in a user's own places, for when
// neither DOCKER_HOST nor the system's socket is there; testcontainers looks in
// the same places, in this order.
func fallbackSocket() string {
	if os.Getenv(client.EnvOverrideHost) != "" || isFile("/var/run/docker.sock") {
		return ""
	}
	var places []string
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		places = append(places, filepath.Join(dir, "docker.sock"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		places = append(places, filepath.Join(home, ".docker", "run", "docker.sock"), filepath.Join(home, ".docker", "desktop", "docker.sock"))
	}
	places = append(places, filepath.Join("/run/user", strconv.Itoa(os.Getuid()), "docker.sock"))
	for _, p := range places {
		if isFile(p) {
			return p
		}
	}
	return ""
}

func isFile(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// unavailable says that no engine answers, why, and what to do.
func (e *engine) unavailable(err error) error {
	remedy := "start it (systemctl start docker), point DOCKER_HOST at another, or use host: local"
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("asking the Docker engine at %s: %w", e.api.DaemonHost(), err)
	case errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "permission denied"):
		remedy = "join the group docker (and log in again), run as root, or use host: local"
	}
	return fmt.Errorf("%w: no Docker engine answers at %s: %w; %s", cluster.ErrUnavailable, e.api.DaemonHost(), err, remedy)
}

func (e *engine) close() { _ = e.api.Close() }
