//lint:file-ignore SA1019 the replacement names networks by chance and takes no provider; the reaper's image has none

package docker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// ryukVariable set to 1 asks for the reaper's image to be pulled if it is not
// in the engine.
const ryukVariable = "AFTERSHOCK_RYUK"

// ryukDisabled is testcontainers' own variable; it is read once a process.
const ryukDisabled = "TESTCONTAINERS_RYUK_DISABLED"

// prepareOnce guards testcontainers' process-wide settings.
var prepareOnce sync.Once

// prepare makes testcontainers' process-wide settings. testcontainers reads
// them in its first call, so every one of ours comes after this.
func (e *engine) prepare(ctx context.Context) {
	prepareOnce.Do(func() {
		tclog.SetDefault(quiet{e.log})
		decideRyuk(ctx, e)
	})
}

// provider returns testcontainers' way to this engine, and what it sees of the
// engine's images.
func (e *engine) provider(ctx context.Context) (*testcontainers.DockerProvider, *imageView, error) {
	e.prepare(ctx)
	type result struct {
		p   *testcontainers.DockerProvider
		err error
	}
	// testcontainers looks for the engine without a context; the channel's
	// buffer lets the goroutine end when the caller waits no more.
	done := make(chan result, 1)
	go func() {
		var r result
		r.err = guard(func() (err error) {
			r.p, err = testcontainers.NewDockerProvider(
				testcontainers.Generic2DockerOptions(testcontainers.WithLogger(quiet{e.log}))...)
			return err
		})
		done <- r
	}()
	bound, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, nil, fmt.Errorf("testcontainers: %w", r.err)
		}
		view := &imageView{APIClient: e.api}
		_ = r.p.Client().Close()
		r.p.SetClient(view)
		return r.p, view, nil
	case <-bound.Done():
		return nil, nil, fmt.Errorf("testcontainers: looking for the engine: %w", bound.Err())
	}
}

// guard turns a panic into an error: testcontainers panics where it cannot
// find the engine's socket or dislikes a setting.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("testcontainers panicked: %v", r)
		}
	}()
	return f()
}

// decideRyuk keeps testcontainers' reaper if its image is in the engine, or
// was asked for and can be pulled; otherwise it switches the reaper off, since
// a missing image would fail every launch. What a dead run leaves behind goes
// away by the agents' lease and Clean in any case.
func decideRyuk(ctx context.Context, e *engine) {
	if os.Getenv(ryukDisabled) != "" {
		return
	}
	image := testcontainers.ReaperDefaultImage
	if prefix := os.Getenv("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX"); prefix != "" {
		image = path.Join(prefix, image)
	}
	bound, cancel := outlive(ctx, callTimeout)
	defer cancel()
	_, err := e.api.ImageInspect(bound, image)
	if err == nil {
		return
	}
	if os.Getenv(ryukVariable) == "1" {
		// Without credentials, which testcontainers would have to look up.
		if err = e.pull(ctx, image, client.ImagePullOptions{}); err == nil {
			return
		}
	}
	e.log.Info("testcontainers' reaper is off, its image is not here; aftershock cleans up by itself")
	e.log.Debug("reaper", "image", image, "err", engineWords(err), "to use it", ryukVariable+"=1")
	if err := os.Setenv(ryukDisabled, "true"); err != nil {
		e.log.Warn("cannot switch testcontainers' reaper off", "error", err)
	}
}

// quiet sends testcontainers' chatter to the debug level.
type quiet struct{ log *slog.Logger }

// Printf implements testcontainers' Logger.
func (q quiet) Printf(format string, v ...any) {
	if q.log.Enabled(context.Background(), slog.LevelDebug) {
		q.log.Debug(strings.TrimSpace(fmt.Sprintf(format, v...)), "from", "testcontainers")
	}
}

// imageView is the engine as testcontainers sees it while it makes nodes: the
// images of the launch have been looked up already and expose no ports, so
// that testcontainers neither asks for them again nor publishes their ports on
// the machine's own addresses, and never pulls.
type imageView struct {
	client.APIClient

	mu     sync.Mutex
	images map[string]client.ImageInspectResult
}

// ImageInspect answers for the launch's images from memory.
func (v *imageView) ImageInspect(ctx context.Context, name string, opts ...client.ImageInspectOption) (client.ImageInspectResult, error) {
	if res, ok := v.get(name); ok {
		return res, nil
	}
	return v.APIClient.ImageInspect(ctx, name, opts...)
}

// get finds an image by its name, before which testcontainers may have put a
// registry's prefix.
func (v *imageView) get(name string) (client.ImageInspectResult, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for known, res := range v.images {
		if name == known || strings.HasSuffix(name, "/"+known) {
			return res, true
		}
	}
	return client.ImageInspectResult{}, false
}

// add makes an image known under its name.
func (v *imageView) add(name string, res client.ImageInspectResult) {
	config := orZero(res.Config)
	config.ExposedPorts = nil
	res.Config = &config
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.images == nil {
		v.images = make(map[string]client.ImageInspectResult)
	}
	v.images[name] = res
}

// orZero is what p points to, or the zero value.
func orZero[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// notFound tells whether the engine said that it has no such thing.
func notFound(err error) bool { return errdefs.IsNotFound(err) }
