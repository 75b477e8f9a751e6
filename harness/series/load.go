package series

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/compare"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// Groups are the runs that a directory of a group has, by variant.
func Groups(g *rundir.Group) ([]compare.Group, error) {
	var all []compare.Group
	for i, v := range g.Variants {
		runs, err := g.Verdicts(i)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", failure.ErrInput, err)
		}
		all = append(all, compare.Group{Name: v.Name, Settings: v.Settings, Runs: runs})
	}
	return all, nil
}

// Load reads the runs that some paths name, each a run directory, a group
// directory or a pattern of such (with * and ?), and puts those together that
// have the same settings, in the order in which they are met. A run counts once.
// left is how many runs of groups were not complete. Errors wrap ErrInput.
func Load(paths ...string) (groups []compare.Group, left int, err error) {
	l := loader{}
	for _, path := range paths {
		matches, err := matching(path)
		if err != nil {
			return nil, 0, err
		}
		for _, match := range matches {
			if err := l.load(match); err != nil {
				return nil, 0, fmt.Errorf("%w: %w", failure.ErrInput, err)
			}
		}
	}
	l.groups = slices.DeleteFunc(l.groups, func(g compare.Group) bool { return len(g.Runs) == 0 })
	if len(l.groups) == 0 {
		return nil, l.left, fmt.Errorf("%w: %s: no complete run is there; see group.json", failure.ErrInput, strings.Join(paths, " "))
	}
	for i := range l.groups {
		if l.groups[i].Name == "" {
			l.groups[i].Name = strings.Join(paths, " ")
		} else {
			l.groups[i].Name = strings.Join(paths, " ") + " " + l.groups[i].Name
		}
	}
	return l.groups, l.left, nil
}

// matching are the paths that a pattern stands for.
func matching(path string) ([]string, error) {
	if !strings.ContainsAny(path, "*?[") {
		return []string{path}, nil
	}
	matches, err := filepath.Glob(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w; write it like 'runs/*-before-*'", failure.ErrInput, path, err)
	}
	matches = slices.DeleteFunc(matches, func(p string) bool { return filepath.Base(p) == rundir.LatestLink })
	if len(matches) == 0 {
		return nil, fmt.Errorf("%w: %s matches nothing; list the folder of runs", failure.ErrInput, path)
	}
	return matches, nil
}

// loader collects runs by their settings.
type loader struct {
	groups []compare.Group
	seen   []string
	left   int
}

func (l *loader) load(path string) error {
	if rundir.IsGroup(path) {
		g, err := rundir.OpenGroup(path)
		if err != nil {
			return err
		}
		for i, v := range g.Variants {
			l.left += g.Left(i)
			l.group(v.Settings) // in the order of the plan, whichever ran first
		}
		for _, m := range g.Runs {
			if m.State != rundir.RunDone {
				continue
			}
			if err := l.run(filepath.Join(path, m.Dir)); err != nil {
				return err
			}
		}
		return nil
	}
	return l.run(path)
}

func (l *loader) run(path string) error {
	dir, err := rundir.Open(path)
	if err != nil {
		return err
	}
	real, err := filepath.Abs(dir.Path())
	if err != nil || slices.Contains(l.seen, real) {
		return err
	}
	l.seen = append(l.seen, real)
	v, err := dir.ReadVerdict()
	if err != nil {
		return err
	}
	v.Dir = dir.Path() // it may have been moved since
	at := l.group(v.Plan.Varied)
	l.groups[at].Runs = append(l.groups[at].Runs, v)
	return nil
}

// group is the number of the group with some settings.
func (l *loader) group(settings []results.Setting) int {
	label := compare.Label(settings)
	at := slices.IndexFunc(l.groups, func(g compare.Group) bool { return compare.Label(g.Settings) == label })
	if at < 0 {
		at = len(l.groups)
		l.groups = append(l.groups, compare.Group{Name: label, Settings: settings})
	}
	return at
}

// Pairs are the groups to compare: those of the same settings or, where both
// sides have one, these two. With no head, the first of base is compared with
// each of its others. Errors wrap ErrInput and name the remedy.
func Pairs(base, head []compare.Group) (pairs [][2]compare.Group, err error) {
	switch {
	case len(head) == 0 && len(base) < 2:
		return nil, fmt.Errorf("%w: %s has no variants to compare; name two groups", failure.ErrInput, base[0].Name)
	case len(head) == 0:
		for _, other := range base[1:] {
			pairs = append(pairs, [2]compare.Group{base[0], other})
		}
	case len(base) == 1 && len(head) == 1:
		pairs = append(pairs, [2]compare.Group{base[0], head[0]})
	default:
		for _, b := range base {
			for _, h := range head {
				if compare.Label(b.Settings) == compare.Label(h.Settings) {
					pairs = append(pairs, [2]compare.Group{b, h})
				}
			}
		}
		if len(pairs) == 0 {
			return nil, fmt.Errorf("%w: no variant of one side is in the other (%s; %s); compare groups that vary the same", failure.ErrInput, names(base), names(head))
		}
	}
	for _, p := range pairs {
		paths, err := compare.SamePlan(p[0], p[1])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", failure.ErrInput, err)
		}
		if len(paths) > 0 {
			return nil, fmt.Errorf("%w: the plans differ in %s, so their runs do not measure the same; run both as variants of one plan, with vary", failure.ErrInput, strings.Join(paths, ", "))
		}
	}
	return pairs, nil
}

func names(groups []compare.Group) string {
	all := make([]string, len(groups))
	for i, g := range groups {
		all[i] = g.Name
	}
	return strings.Join(all, ", ")
}
