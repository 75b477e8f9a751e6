package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"sync"

	"github.com/aftershock-chaos/aftershock/internal/failure"
)

// commandPath is the import path of the aftershock command.
const commandPath = "github.com/aftershock-chaos/aftershock/cmd/aftershock"

// findBinary is the aftershock binary to put into the nodes: see Options.Binary.
func findBinary(ctx context.Context, options Options, env []string) (string, error) {
	if options.Binary != "" {
		return filepath.Abs(options.Binary)
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Path == commandPath {
		return os.Executable()
	}
	if path := os.Getenv("AFTERSHOCK_BINARY"); path != "" {
		return filepath.Abs(path)
	}
	if path, err := exec.LookPath("aftershock"); err == nil {
		return filepath.Abs(path)
	}
	return buildBinary(ctx, env)
}

var built struct {
	sync.Mutex
	path string
}

// buildBinary builds the command once per process into the user's cache.
func buildBinary(ctx context.Context, env []string) (string, error) {
	built.Lock()
	defer built.Unlock()
	if built.path != "" {
		return built.path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	path := filepath.Join(cache, "aftershock", "aftershock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("%w: make the cache for the aftershock binary: %w", failure.ErrInfrastructure, err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", path, commandPath)
	build.Env = append(env, "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: no aftershock binary to put into the nodes: set AFTERSHOCK_BINARY to one (go build failed: %w: %s)",
			failure.ErrInfrastructure, err, out)
	}
	built.path = path
	return path, nil
}
