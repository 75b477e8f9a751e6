package faults

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// minEvery is the least mean distance of a repeated fault.
const minEvery = 100 * time.Millisecond

// Title says in a few words what the fault is: "kill primary", "partition
// isolate n2", "every 5s".
func (s Spec) Title() string {
	if s.Every > 0 {
		return "every " + s.Every.String()
	}
	words := []string{s.Kind}
	if s.Shape != "" {
		words = append(words, s.Shape)
	}
	if s.Victim != "" {
		words = append(words, s.Victim)
	}
	return strings.Join(words, " ")
}

// Validate refuses a spec that cannot be executed on these nodes in a measured
// phase of this length. The error names the fault and the remedy.
func Validate(spec Spec, nodes []string, duration time.Duration) error {
	check := validateScheduled
	if spec.Every != 0 || len(spec.Pick) > 0 {
		check = validateRepeated
	}
	if err := check(spec, nodes, duration); err != nil {
		at := ""
		if spec.Every == 0 {
			at = " at " + spec.At.String()
		}
		return fmt.Errorf("fault %q: %w", spec.Title()+at, err)
	}
	return nil
}

func validateScheduled(spec Spec, nodes []string, duration time.Duration) error {
	switch {
	case spec.At < 0:
		return fmt.Errorf("at is %s; use 0s or more", spec.At)
	case spec.For < 0:
		return fmt.Errorf("for is %s; use more than 0s, or leave it out to last until the end", spec.For)
	case spec.At >= duration:
		return fmt.Errorf("it starts at %s, when the measured phase of %s is over: start it earlier or lengthen duration", spec.At, duration)
	case spec.For > duration-spec.At:
		return fmt.Errorf("it ends at %s, after the measured phase of %s: shorten for, leave it out, or lengthen duration", spec.At+spec.For, duration)
	}
	return validateKind(spec, nodes)
}

func validateRepeated(spec Spec, nodes []string, duration time.Duration) error {
	switch {
	case spec.Every < minEvery:
		return fmt.Errorf("every is %s; use %s or more", spec.Every, minEvery)
	case len(spec.Pick) == 0:
		return errors.New("pick is empty: list the faults to choose from")
	case spec.Kind != "" || spec.Shape != "" || spec.Victim != "" || spec.From != "" || spec.Direction != "":
		return fmt.Errorf("%s stands beside every: move it into pick", spec.Kind)
	case spec.At < 0 || spec.For < 0:
		return errors.New("at and for must not be negative")
	case spec.Every > duration-spec.At:
		return fmt.Errorf("every does not fit between %s and the end of the measured phase of %s: use less, or lengthen duration", spec.At, duration)
	}
	for i, one := range spec.Pick {
		if err := validatePick(one, spec, nodes); err != nil {
			return fmt.Errorf("pick %d (%s): %w", i+1, one.Title(), err)
		}
	}
	return nil
}

func validatePick(one, outer Spec, nodes []string) error {
	length := one.For
	if length == 0 {
		length = outer.For
	}
	k, _ := findKind(one.Kind)
	switch {
	case one.Every != 0 || len(one.Pick) != 0:
		return errors.New("a pick cannot itself repeat: drop every and pick from it")
	case one.At != 0:
		return errors.New("a pick has no at of its own: drop it")
	case length < 0:
		return fmt.Errorf("for is %s; use more than 0s", length)
	case length == 0 && k.info.Name != "" && !k.instant:
		return errors.New("it has no end, so it cannot repeat: give it for")
	case length >= outer.Every:
		return fmt.Errorf("for is %s, which does not fit into every %s: shorten for or use a longer every", length, outer.Every)
	}
	return validateKind(one, nodes)
}

// validateKind checks the kind, the victim and what belongs to a partition.
func validateKind(spec Spec, nodes []string) error {
	k, ok := findKind(spec.Kind)
	if !ok {
		var all []string
		for _, k := range Kinds() {
			all = append(all, k.Name)
		}
		return fmt.Errorf("unknown kind %q; use one of %s", spec.Kind, strings.Join(all, ", "))
	}
	if k.info.Shapes != nil {
		return validateShape(spec, nodes)
	}
	if spec.Shape != "" || spec.From != "" || spec.Direction != "" {
		return fmt.Errorf("shape, from and direction are for partitions, not for %s: leave them out", spec.Kind)
	}
	return validateVictim(spec.Victim, k.info.Victims, nodes)
}

func validateShape(spec Spec, nodes []string) error {
	s, ok := findShape(spec.Shape)
	if !ok {
		var all []string
		for _, s := range shapes() {
			all = append(all, s.info.Name)
		}
		return fmt.Errorf("unknown shape %q; use one of %s", spec.Shape, strings.Join(all, ", "))
	}
	needed := s.info.MinNodes
	if spec.From == FromClients {
		needed = 1
	}
	switch {
	case spec.From != "" && !slices.Contains(s.info.From, spec.From):
		return fmt.Errorf("from is %q; %s allows %s", spec.From, spec.Shape, strings.Join(s.info.From, ", "))
	case spec.Direction != "" && s.info.Directions == nil:
		return fmt.Errorf("direction is for one-way, not for %s: leave it out", spec.Shape)
	case spec.Direction != "" && !slices.Contains(s.info.Directions, spec.Direction):
		return fmt.Errorf("direction is %q; use %s", spec.Direction, strings.Join(s.info.Directions, " or "))
	case len(nodes) < needed:
		return fmt.Errorf("%s needs at least %d nodes and there are %d: raise target.replicas to %d", spec.Shape, needed, len(nodes), needed-1)
	case spec.Victim == "" && s.info.Optional:
		return nil
	case s.info.Name == "majority-ring" && !slices.Contains(s.info.Victims, spec.Victim):
		return fmt.Errorf("victim is %q, but a majority-ring is made of all nodes: use all", spec.Victim)
	}
	return validateVictim(spec.Victim, s.info.Victims, nodes)
}

func validateVictim(victim string, words, nodes []string) error {
	switch {
	case victim == Replica && slices.Contains(words, victim) && len(nodes) < 2:
		return errors.New("the victim is a replica and there is none: raise target.replicas to 1 or more")
	case slices.Contains(words, victim) || slices.Contains(nodes, victim):
		return nil
	case victim == "":
		return fmt.Errorf("it has no victim; use %s or a node's name", strings.Join(words, ", "))
	}
	return fmt.Errorf("impossible victim %q; use %s or one of the nodes %s", victim, strings.Join(words, ", "), strings.Join(nodes, ", "))
}
