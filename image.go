package aftershock

import (
	"context"
	"os"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/targets"
)

// AutoImage as target.image means: the official image if the engine has it,
// else the one that `make images` builds if the engine has that, else the
// official one, pulled. It is the default.
const AutoImage = "auto"

// ImageVariable is the environment variable that overrides a target's image:
// AFTERSHOCK_IMAGE_POSTGRES, with '_' for every '-' of the name.
func ImageVariable(target string) string {
	return "AFTERSHOCK_IMAGE_" + strings.ToUpper(strings.ReplaceAll(target, "-", "_"))
}

// image is what the nodes are made of on the docker host; empty on others and
// for targets inside the aftershock binary.
func (e *execution) image(ctx context.Context) (string, error) {
	if e.host.Name() != "docker" {
		return "", nil
	}
	image, err := ChooseImage(ctx, e.target, e.plan.Target.Image)
	if err == nil && image != "" {
		e.log.Info("image", "name", image)
	}
	return image, err
}

// ChooseImage resolves what a plan's target.image says for a target: a name,
// "auto" or nothing, and then the environment decides.
func ChooseImage(ctx context.Context, info targets.Info, wanted string) (string, error) {
	if wanted == "" {
		wanted = os.Getenv(ImageVariable(info.Name))
	}
	if wanted != "" && wanted != AutoImage {
		return wanted, nil
	}
	for _, name := range []string{info.Image.Official, info.Image.Built} {
		if name == "" {
			continue
		}
		if has, err := docker.HasImage(ctx, name); err != nil || has {
			return name, err
		}
	}
	return info.Image.Official, nil
}
