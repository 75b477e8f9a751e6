package kit

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
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
	known := map[string]targets.Option{}
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
		if option.Values != nil && !slices.Contains(option.Values, value) {
			return nil, fmt.Errorf("target.options.%s: %q is not known: %s", name, value, spelling.DidYouMean(value, option.Values))
		}
		o[name] = value
	}
	return o, nil
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
