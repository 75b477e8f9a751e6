package harness

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
)

// AutoImage as target.image means: the official image of the version if the
// engine has it, else the one that `make images` builds if the engine has that,
// else the official one, pulled. It is the default.
const AutoImage = "auto"

// ImageVariable is the environment variable that overrides a target's image:
// AFTERSHOCK_IMAGE_POSTGRES, with '_' for every '-' of the name.
func ImageVariable(target string) string {
	return "AFTERSHOCK_IMAGE_" + strings.ToUpper(strings.ReplaceAll(target, "-", "_"))
}

// AgentImageVariable is the environment variable that stands for Options.AgentImage.
const AgentImageVariable = "AFTERSHOCK_AGENT_IMAGE"

// Wanted is what a plan says of what its nodes are to be made of.
type Wanted struct {
	Image   string          // a name, AutoImage or nothing, and then the environment decides
	Version version.Version // none: the newest that is tested
	About   version.Range   // the versions that the claims are about
}

// choose settles the image and the version, where the host has images. What is
// wrong with the plan wraps ErrInput.
func (d *deployment) choose(ctx context.Context, image string) (err error) {
	if d.host.HasImage == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, launchTimeout)
	defer cancel()
	d.image, d.wanted, err = d.host.ChooseImage(ctx, d.target, Wanted{Image: image, Version: d.wanted, About: d.about})
	return failure.Infrastructure("choose the image", err)
}

// ChooseImage resolves what a plan says of its target's image and version. The
// version is the one that the image has to hold; none if that is not known, as
// of an image that the plan or the environment names. A version that is not
// tested is an error that wraps ErrInput. The host must have images.
func (h Host) ChooseImage(ctx context.Context, info targets.Info, wanted Wanted) (image string, holds version.Version, err error) {
	image = wanted.Image
	if image == "" {
		image = os.Getenv(ImageVariable(info.Name))
	}
	if image != "" && image != AutoImage {
		return image, wanted.Version, nil
	}
	if len(info.Versions) == 0 {
		return "", version.Version{}, nil
	}
	tested, err := wanted.tested(info)
	if err != nil || info.BuiltIn() {
		return "", wanted.Version, err
	}
	holds = wanted.Version
	if holds.None() {
		holds, _ = version.Find(tested.Number)
	}
	for _, name := range []string{tested.Official, tested.Built} {
		if has, err := h.HasImage(ctx, name); err != nil || has {
			return name, holds, err
		}
	}
	return tested.Official, holds, nil
}

// tested is the newest of a target's tested versions that is wanted.
func (w Wanted) tested(info targets.Info) (targets.Version, error) {
	var numbers []string
	for _, v := range info.Versions {
		number, _ := version.Find(v.Number)
		fits := w.About.MayHave(number)
		if !w.Version.None() {
			fits = number.Covers(w.Version) || w.Version.Covers(number)
		}
		if fits {
			return v, nil
		}
		numbers = append(numbers, v.Number)
	}
	slices.Reverse(numbers)
	known := strings.Join(numbers, " and ")
	if w.Version.None() {
		return targets.Version{}, fmt.Errorf("%w: for.version: the plan's claims are about %s %s, and tested are %s: name another one with target.version and target.image",
			failure.ErrInput, info.Name, w.About, known)
	}
	return targets.Version{}, fmt.Errorf("%w: target.version: %s %s is not among those that are tested: ask for %s, or name its image too (target.image)",
		failure.ErrInput, info.Name, w.Version, strings.Join(numbers, " or "))
}

// otherImages adds to the error of an image that is not to be had what would do
// in its place.
func (d *deployment) otherImages(ctx context.Context, err error) error {
	for _, v := range d.target.Versions {
		if v.Official == d.image {
			err = fmt.Errorf("%w; `make images TARGET=%s` builds %s in its place", err, imageTarget(v), v.Built)
			continue
		}
		for _, name := range []string{v.Official, v.Built} {
			if has, _ := d.host.HasImage(ctx, name); has && d.image != v.Built {
				err = fmt.Errorf("%w; %s is here: ask for target.version: %q", err, name, v.Number)
				break
			}
		}
	}
	return err
}

// imageTarget is the target by which `make images` builds a version's image.
func imageTarget(v targets.Version) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(v.Built, "aftershock/"), ":")
	return name
}
