package kit

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
)

// Options are a target's options with the defaults applied, by name. Their
// errors name the option and the remedy.
type Options map[string]string

// NewOptions checks a configuration against what the target knows: names are
// known, values are among the option's words where it has any, replicas are
// not negative.
func NewOptions(info targets.Info, c targets.Config) (Options, error) {
	if c.Replicas < 0 {
		return nil, fmt.Errorf("target.replicas: %d is negative: give 0 or more", c.Replicas)
	}
	o := Options{}
	known := map[string]schema.Field{}
	names := make([]string, 0, len(info.Options))
	for _, option := range info.Options {
		o[option.Name], known[option.Name] = option.Default, option
		names = append(names, option.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Options)) { // the same mistake is reported first every time
		option, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("target.options.%s: %s has no such option: %s", name, info.Name, spelling.DidYouMean(name, names))
		}
		value := strings.TrimSpace(c.Options[name])
		if option.Words != nil && !slices.Contains(option.Words, value) {
			return nil, fmt.Errorf("target.options.%s: %q is not known: %s", name, value, spelling.DidYouMean(value, option.Words))
		}
		o[name] = value
	}
	return o, nil
}

// Versions lists the versions of a target that are tested, the newest first,
// with their images: the tags of an official repository ("postgres:", which may
// end in the beginning of the tag) and those that `make images` gives.
func Versions(target, official string, numbers ...string) []targets.Version {
	list := make([]targets.Version, len(numbers))
	for i, number := range numbers {
		list[i] = targets.Version{Number: number, Official: official + number, Built: "aftershock/" + target + ":" + number}
	}
	return list
}

// Duration is an option like 200us, 100ms or 2s; a bare 0 is allowed.
func (o Options) Duration(name string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(o[name])
	if err != nil {
		return 0, fmt.Errorf("target.options.%s: %q is not a duration: write it like 200us, 100ms or 2s", name, o[name])
	}
	if d < least || d > most {
		return 0, fmt.Errorf("target.options.%s: %v is out of range: give %v to %v", name, d, least, most)
	}
	return d, nil
}

// Int is a whole number.
func (o Options) Int(name string, least, most int) (int, error) {
	n, err := strconv.Atoi(o[name])
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("target.options.%s: %q is not a whole number from %d to %d", name, o[name], least, most)
	}
	return n, nil
}
