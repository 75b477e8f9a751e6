package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// home is the package whose mutants are listed, and those of its rooms.
const home = "./checkers"

// built are the tests with the mutants, a binary for each room.
type built struct {
	dir   string
	rooms []string            // that are needed
	users map[string][]string // the rooms whose tests a room's mutants meet: its own, then those that import it
}

// prepare builds the tests with the mutants: as many as can be in the common
// binaries, each of the others in binaries of its own when it is tried. What
// does not apply is marked so. dir is theirs and has to stay until all were
// tried.
func prepare(ctx context.Context, dir string, mutants []mutant) (*built, error) {
	replace := map[string]string{}
	for file, all := range byFile(mutants) {
		source, fit := applied(file, all)
		if len(fit) == 0 {
			continue
		}
		woven, left, err := weave(source, fit)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, m := range left {
			m.alone = true
		}
		replace[file] = woven
		replace[path.Join(path.Dir(file), "chosen_mutant.go")] = fmt.Sprintf(chooser, packageName(woven))
	}
	users, err := usersOfRooms(ctx)
	if err != nil {
		return nil, err
	}
	b := &built{dir: dir, users: users}
	for i := range mutants {
		b.rooms = append(b.rooms, users[mutants[i].room]...)
	}
	slices.Sort(b.rooms)
	b.rooms = slices.Compact(b.rooms)
	if err := compile(ctx, dir, replace, b.rooms...); err != nil {
		return nil, err
	}
	return b, b.named(ctx, mutants)
}

// byFile sorts mutants by the file that they are of.
func byFile(mutants []mutant) map[string][]*mutant {
	files := map[string][]*mutant{}
	for i := range mutants {
		files[mutants[i].file] = append(files[mutants[i].file], &mutants[i])
	}
	return files
}

// applied puts the mutants of one file into it, each by itself, and gives those
// back that fit. What does not apply, or leaves no Go, is marked so.
func applied(file string, all []*mutant) (source string, fit []*mutant) {
	text, err := os.ReadFile(filepath.Join(home, file))
	source = string(text)
	for _, m := range all {
		if err != nil {
			m.unfit = err.Error()
			continue
		}
		if n := strings.Count(source, m.old); n != 1 {
			m.unfit = fmt.Sprintf("its text is in the file %d times", n)
			continue
		}
		m.broken = strings.Replace(source, m.old, m.new, 1)
		if _, err := functions(m.broken); err != nil {
			m.unfit = fmt.Sprintf("the file with it is no Go: %v", err)
			continue
		}
		fit = append(fit, m)
	}
	return source, fit
}

// packageName is the one that a source declares.
func packageName(source string) string {
	return regexp.MustCompile(`(?m)^package (\w+)`).FindStringSubmatch(source)[1]
}

// usersOfRooms tells whose tests can catch a room's mutants: its own come
// first, and those of all, which know every room, last.
func usersOfRooms(ctx context.Context) (map[string][]string, error) {
	list := exec.CommandContext(ctx, "go", "list", "-test", "-f", `{{.ImportPath}}{{range .Deps}} {{.}}{{end}}`, home+"/...")
	list.Stderr = os.Stderr
	output, err := list.Output()
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	root, _, _ := strings.Cut(lines[0], " ")
	users := map[string][]string{}
	for _, line := range lines {
		paths := strings.Fields(line)
		room, tests := strings.CutSuffix(paths[0], ".test")
		if !tests {
			continue
		}
		room = below(root, room)
		for _, p := range paths[1:] {
			if used := below(root, p); used != "" {
				users[used] = append(users[used], room)
			}
		}
	}
	for used, all := range users {
		slices.SortFunc(all, func(a, b string) int {
			return cmp.Or(cmp.Compare(distance(used, a), distance(used, b)), cmp.Compare(a, b))
		})
		users[used] = slices.Compact(all)
	}
	return users, nil
}

// distance is how late a room's tests are tried with a mutant of another.
func distance(of, room string) int {
	switch room {
	case of:
		return 0
	case "all":
		return 2
	}
	return 1
}

// below is a package's path below root, "." for root itself; empty if it is
// not of root.
func below(root, path string) string {
	if path == root {
		return "."
	}
	room, ok := strings.CutPrefix(path, root+"/")
	if !ok {
		return ""
	}
	return room
}

// compile builds the tests of rooms into dir, with files in place of those of
// checkers.
func compile(ctx context.Context, dir string, replace map[string]string, rooms ...string) error {
	paths := map[string]string{}
	for file, text := range replace {
		path, err := filepath.Abs(filepath.Join(home, file))
		if err != nil {
			return err
		}
		paths[path] = filepath.Join(dir, fmt.Sprintf("%d.go", len(paths)))
		if err := os.WriteFile(paths[path], []byte(text), 0o644); err != nil {
			return err
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": paths})
	if err != nil {
		return err
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, b, 0o644); err != nil {
		return err
	}
	args := []string{"test", "-c", "-vet=off", "-gcflags=-e", "-ldflags=-s -w", "-overlay", overlay, "-o", dir + "/"}
	for _, room := range rooms {
		args = append(args, home+"/"+room)
	}
	if output, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

// named checks that the tests that mutants name are there, and could tell.
func (b *built) named(ctx context.Context, mutants []mutant) error {
	tests := map[string][]string{}
	for _, room := range b.rooms {
		list := exec.CommandContext(ctx, inDir(b.dir, room), "-test.list", ".")
		list.Dir = filepath.Join(home, room)
		output, err := list.Output()
		if err != nil {
			return err
		}
		tests[room] = strings.Fields(string(output))
	}
	for _, m := range mutants {
		for _, t := range m.tests {
			if !slices.Contains(b.users[m.room], t.room) {
				return fmt.Errorf("%s: no test of %s can tell of %s", m.list, t.room, m.file)
			}
			for name := range strings.SplitSeq(t.names, "|") {
				named, err := regexp.Compile(name)
				if err != nil {
					return err
				}
				if !slices.ContainsFunc(tests[t.room], named.MatchString) {
					return fmt.Errorf("%s: %s names the tests %s, of which %s has none", m.list, m.file, name, t.room)
				}
			}
		}
	}
	return nil
}

// binary is the one of a room's tests that has the mutant: the common one, or
// one that is built for it.
func (b *built) binary(ctx context.Context, m *mutant, room string) (string, error) {
	if !m.alone {
		return inDir(b.dir, room), nil
	}
	own := b.dirOf(m)
	binary := inDir(own, room)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(own, 0o755); err != nil {
		return "", err
	}
	return binary, compile(ctx, own, map[string]string{m.file: m.broken}, room)
}

// dirOf is where what is built for one mutant is.
func (b *built) dirOf(m *mutant) string { return filepath.Join(b.dir, fmt.Sprint(m.id)) }

// inDir is where go test -c puts the tests of a room.
func inDir(dir, room string) string {
	return filepath.Join(dir, path.Base(path.Join(home, room))+".test")
}
