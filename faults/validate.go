package faults

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// minEvery is the least mean distance of a repeated fault.
const minEvery = 100 * time.Millisecond

// Name is what the events call the fault: "kill", "partition isolate", "do etcd.compact".
func (s Spec) Name() string { return history.FaultName(s.Kind, cmp.Or(s.Shape, s.Task)) }

// Title says in a few words what the fault is: "kill primary", "partition
// isolate n2", "every 5s".
func (s Spec) Title() string {
	if s.Every > 0 {
		return strings.TrimSpace("every " + s.Every.String() + " " + s.Name() + " " + s.Victim)
	}
	return strings.TrimSpace(s.Name() + " " + s.Victim)
}

// Validate refuses a spec that cannot be executed on these nodes in a measured
// phase of this length. The error names the fault and the remedy.
func Validate(spec Spec, nodes []string, duration time.Duration) error {
	check := validateScheduled
	switch {
	case spec.cycles():
		check = validateCycle
	case spec.Every != 0 || len(spec.Pick) > 0:
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

// validateCycle checks a fault that repeats itself.
func validateCycle(spec Spec, nodes []string, duration time.Duration) error {
	k, _ := Lookup(spec.Kind)
	switch {
	case spec.Every < minEvery:
		return fmt.Errorf("every is %s; use %s or more", spec.Every, minEvery)
	case spec.At < 0 || spec.For < 0:
		return errors.New("at and for must not be negative")
	case spec.For == 0 && k.Name != "" && !k.Instant:
		return errors.New("it has no end, so it cannot repeat: give it for")
	case spec.For >= spec.Every:
		return fmt.Errorf("for is %s, which does not fit into every %s: shorten for or use a longer every", spec.For, spec.Every)
	case spec.first() >= duration || spec.For > duration-spec.first():
		return fmt.Errorf("its first, at %s, does not fit into the measured phase of %s: use a shorter every, an earlier at, or lengthen duration", spec.first(), duration)
	}
	return validateKind(spec, nodes)
}

func validateRepeated(spec Spec, nodes []string, duration time.Duration) error {
	switch {
	case spec.Every < minEvery:
		return fmt.Errorf("every is %s; use %s or more", spec.Every, minEvery)
	case len(spec.Pick) == 0:
		return errors.New("pick is empty: list the faults to choose from")
	case spec.Kind != "" || spec.Shape != "" || spec.Victim != "" || setsKey(spec):
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
	k, _ := Lookup(one.Kind)
	switch {
	case one.Every != 0 || len(one.Pick) != 0:
		return errors.New("a pick cannot itself repeat: drop every and pick from it")
	case one.At != 0:
		return errors.New("a pick has no at of its own: drop it")
	case length < 0:
		return fmt.Errorf("for is %s; use more than 0s", length)
	case length == 0 && k.Name != "" && !k.Instant:
		return errors.New("it has no end, so it cannot repeat: give it for")
	case length >= outer.Every:
		return fmt.Errorf("for is %s, which does not fit into every %s: shorten for or use a longer every", length, outer.Every)
	}
	return validateKind(one, nodes)
}

// validateKind checks the kind, its shape, its keys and its victim.
func validateKind(spec Spec, nodes []string) error {
	if err := checkKnown(spec); err != nil {
		return err
	}
	k, _ := Lookup(spec.Kind)
	if err := checkForeignKeys(spec, k); err != nil {
		return err
	}
	validate := k.validate
	if validate == nil {
		validate = func(spec Spec, nodes []string) error { return validateVictim(spec.Victim, k.Victims, nodes) }
	}
	if err := validate(spec, nodes); err != nil {
		return err
	}
	if spec.Process != "" && !k.Process {
		return fmt.Errorf("process is not for a %s: use pause or crash, or leave it out", k.Name)
	}
	return checkKeys(spec, k)
}

// checkKnown refuses a kind or a shape that there is not.
func checkKnown(spec Spec) error {
	k, ok := Lookup(spec.Kind)
	if !ok {
		return unknown("kind", spec.Kind, Kinds(), func(k KindInfo) string { return k.Name })
	}
	named := func(s ShapeInfo) bool { return s.Name == spec.Shape }
	if k.Shapes != nil && !slices.ContainsFunc(k.Shapes, named) {
		return unknown("shape", spec.Shape, k.Shapes, func(s ShapeInfo) string { return s.Name })
	}
	return nil
}

func unknown[T any](what, name string, known []T, nameOf func(T) string) error {
	var names []string
	for _, k := range known {
		names = append(names, nameOf(k))
	}
	return fmt.Errorf("unknown %s %q; use one of %s", what, name, strings.Join(names, ", "))
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
