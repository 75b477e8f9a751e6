package docker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// HasImage tells whether the engine has an image already.
func HasImage(ctx context.Context, name string) (bool, error) {
	eng, err := connect(ctx, slog.Default())
	if err != nil {
		return false, err
	}
	defer eng.close()
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err = eng.api.ImageInspect(call, name)
	if err != nil && !notFound(err) {
		return false, fmt.Errorf("docker: inspect image %s: %w", name, err)
	}
	return err == nil, nil
}

// ImageDigest is what exactly the engine's image of that name is: its digest in
// the registry that it came from, or of one that was built here that of its
// configuration.
func ImageDigest(ctx context.Context, name string) (string, error) {
	eng, err := connect(ctx, slog.Default())
	if err != nil {
		return "", err
	}
	defer eng.close()
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := eng.api.ImageInspect(call, name)
	if err != nil {
		return "", fmt.Errorf("docker: inspect image %s: %w", name, err)
	}
	if len(res.RepoDigests) > 0 {
		return res.RepoDigests[0], nil
	}
	return res.ID, nil
}

// image inspects an image and pulls it first if it is missing.
func (e *engine) image(ctx context.Context, name string) (client.ImageInspectResult, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := e.api.ImageInspect(call, name)
	if err == nil {
		return res, nil
	}
	if !notFound(err) {
		return res, fmt.Errorf("inspect image %s: %w", name, err)
	}
	if err := e.pull(ctx, name, e.credentials(ctx, name)); err != nil {
		if ctx.Err() != nil {
			return res, fmt.Errorf("pull image %s: %w", name, ctx.Err())
		}
		return res, fmt.Errorf("%w: %s is not in the engine and cannot be pulled: %s; run 'docker pull %s' where a registry can be reached, or set target.image in the plan",
			cluster.ErrImage, name, engineWords(err), name)
	}
	call, cancel = context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if res, err = e.api.ImageInspect(call, name); err != nil {
		return res, fmt.Errorf("inspect image %s after pulling it: %w", name, err)
	}
	return res, nil
}

// pull pulls an image within pullTimeout.
func (e *engine) pull(ctx context.Context, name string, opts client.ImagePullOptions) error {
	ctx, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	stream, err := e.api.ImagePull(ctx, name, opts)
	if err != nil {
		return err
	}
	defer stream.Close()
	return stream.Wait(ctx)
}

// credentials are the user's for the image's registry; none where there are
// none, and then the registry decides.
func (e *engine) credentials(ctx context.Context, name string) (opts client.ImagePullOptions) {
	e.prepare(ctx)
	err := guard(func() error {
		_, auth, err := testcontainers.DockerImageAuth(ctx, name)
		if err != nil {
			return err
		}
		opts.RegistryAuth, err = authconfig.Encode(auth)
		return err
	})
	if err != nil {
		e.log.Debug("no registry credentials", "image", name, "why", err)
	}
	return opts
}

// engineWords is an engine's error without its client's preamble.
func engineWords(err error) string {
	return strings.TrimPrefix(err.Error(), "Error response from daemon: ")
}
