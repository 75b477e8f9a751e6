package harness

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
)

// hostWith is a host whose engine has these images.
func hostWith(images ...string) Host {
	return Host{Name: "fake", HasImage: func(_ context.Context, name string) (bool, error) { return slices.Contains(images, name), nil }}
}

var quux = targets.Info{Name: "quux", Versions: []targets.Version{
	{Number: "11.8", Official: "quux:11.8", Built: "aftershock/quux:11.8"},
	{Number: "3.10", Official: "quux:3.10", Built: "aftershock/quux:3.10"},
}}

func TestChooseImage(t *testing.T) {
	for name, c := range map[string]struct {
		have                  []string
		image, version, about string
		want, holds           string
		say                   string // of the error
	}{
		"newest, pulled":            {want: "quux:11.8", holds: "11.8"},
		"official before stand-in":  {have: []string{"quux:11.8", "aftershock/quux:11.8"}, want: "quux:11.8", holds: "11.8"},
		"stand-in before pulling":   {have: []string{"aftershock/quux:11.8", "quux:3.10"}, want: "aftershock/quux:11.8", holds: "11.8"},
		"never an older by itself":  {have: []string{"quux:3.10", "aftershock/quux:3.10"}, want: "quux:11.8", holds: "11.8"},
		"asked for":                 {have: []string{"aftershock/quux:11.8", "aftershock/quux:3.10"}, version: "3.10", want: "aftershock/quux:3.10", holds: "3.10"},
		"more exactly":              {version: "3.10.8", want: "quux:3.10", holds: "3.10.8"},
		"less exactly":              {version: "3", want: "quux:3.10", holds: "3"},
		"by parts":                  {version: "3.1", say: "3.1 is not among those that are tested: ask for 3.10 or 11.8"},
		"not tested":                {version: "12", image: "auto", say: "12 is not among"},
		"claims about older ones":   {about: "<11.6", want: "quux:3.10", holds: "3.10"},
		"claims about newer ones":   {about: ">=11.6.2", want: "quux:11.8", holds: "11.8"},
		"claims about none":         {about: ">=12", say: "claims are about quux >=12, and tested are 3.10 and 11.8"},
		"an image of one's own":     {image: "mine:1", want: "mine:1"},
		"with a version to hold it": {image: "mine:1", version: "12", want: "mine:1", holds: "12"},
	} {
		t.Run(name, func(t *testing.T) {
			wanted := Wanted{Image: c.image, About: version.MustRange(c.about)}
			if c.version != "" {
				wanted.Version, _ = version.Find(c.version)
			}
			image, holds, err := hostWith(c.have...).ChooseImage(t.Context(), quux, wanted)
			if c.say != "" {
				if !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), c.say) {
					t.Errorf("%v; want ErrInput and %q", err, c.say)
				}
				return
			}
			if err != nil || image != c.want || holds.String() != c.holds {
				t.Errorf("%s that holds %q, %v; want %s that holds %q", image, holds, err, c.want, c.holds)
			}
		})
	}
}

// TestImageOfTheEnvironment: it stands above what is tested, but not above the plan.
func TestImageOfTheEnvironment(t *testing.T) {
	t.Setenv(ImageVariable("quux"), "theirs:2")
	for image, want := range map[string]string{"": "theirs:2", "mine:1": "mine:1", AutoImage: "quux:11.8"} {
		if got, _, err := hostWith().ChooseImage(t.Context(), quux, Wanted{Image: image}); err != nil || got != want {
			t.Errorf("of %q: %s, %v; want %s", image, got, err, want)
		}
	}
	if got, holds, err := hostWith().ChooseImage(t.Context(), targets.Info{Name: "inside"}, Wanted{}); err != nil || got != "" || !holds.None() {
		t.Errorf("a target without versions has the image %q of %s, %v", got, holds, err)
	}
}

// TestOtherImages: where the newest cannot be had, what would do is told.
func TestOtherImages(t *testing.T) {
	d := &deployment{host: hostWith("aftershock/quux:3.10"), target: quux, image: "quux:11.8"}
	err := d.otherImages(t.Context(), errors.New("not to be had"))
	for _, want := range []string{"not to be had", "`make images TARGET=quux` builds aftershock/quux:11.8", `aftershock/quux:3.10 is here: ask for target.version: "3.10"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	d.image = "mine:1"
	if err := d.otherImages(t.Context(), errors.New("no")); strings.Contains(err.Error(), "make images") {
		t.Errorf("of an image of one's own: %v", err)
	}
}
