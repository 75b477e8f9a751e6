package aftershock

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/local"
)

// hostProbeTimeout bounds the wait for a container engine when the host is auto.
const hostProbeTimeout = 2 * time.Second

// Run executes one plan and judges it. The plan is validated first; one with
// Vary has to be expanded before. Errors wrap ErrInput, ErrInfrastructure or
// ErrInterrupted; a Result beside an error holds what could be saved.
func Run(ctx context.Context, plan *Plan, options Options) (*Result, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.RunsDir == "" {
		options.RunsDir = "runs"
	}
	if len(plan.Vary) > 0 {
		return nil, fmt.Errorf("%w: plan %s varies %s: expand it and run each of its plans", ErrInput, plan.Name, plan.Vary[0].Path)
	}
	if err := plan.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	if plan.Seed == 0 {
		plan.Seed = rand.Uint64N(1<<31) + 1
	}
	binary, err := findBinary(ctx, options)
	if err != nil {
		return nil, err
	}
	options.Binary = binary
	host, err := chooseHost(ctx, plan.Host, options.Logger)
	if err != nil {
		return nil, err
	}
	if host == "local" && !local.InSandbox() {
		return runSandboxed(ctx, plan, options)
	}
	return execute(ctx, plan, options, newHost(host, options.Logger))
}

func newHost(name string, log *slog.Logger) cluster.Host {
	if name == "local" {
		return local.New()
	}
	return docker.New(log)
}

// chooseHost resolves "auto" and says which host was taken and why.
func chooseHost(ctx context.Context, want string, log *slog.Logger) (string, error) {
	if local.InSandbox() {
		return "local", nil
	}
	bounded, cancel := context.WithTimeout(ctx, hostProbeTimeout)
	defer cancel()
	switch want {
	case "docker":
		if err := docker.Available(bounded); err != nil {
			return "", fmt.Errorf("%w: host docker: %w", ErrInfrastructure, err)
		}
		return "docker", nil
	case "local":
		if err := local.Available(bounded); err != nil {
			return "", fmt.Errorf("%w: host local: %w", ErrInfrastructure, err)
		}
		return "local", nil
	}
	dockerErr := docker.Available(bounded)
	if dockerErr == nil {
		log.Info("host: docker (an engine answers)")
		return "docker", nil
	}
	if err := local.Available(ctx); err != nil {
		return "", fmt.Errorf("%w: no host works here: docker: %w; local: %w; `aftershock doctor` tells more", ErrInfrastructure, dockerErr, err)
	}
	log.Info("host: local (no container engine)", "docker", dockerErr)
	return "local", nil
}
