package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// subject is what one list of commands is run on, each in the state that those
// before it left.
type subject struct {
	name     string
	needs    []string          // files and folders, which are copied into an empty folder
	files    map[string]string // that are made there besides
	commands [][]string
}

func (s *subject) add(words ...string) { s.commands = append(s.commands, words) }

// The amounts of memory that make a pass over the disk: one holds no history,
// the other part of what is violated in a longer one.
const tiny, little = "64KiB", "1MiB"

// hidden are the commands that no help names.
var hidden = []string{"sandbox", "serve-target", "agent", "probe"}

// forms is what a program offers, by its own help.
type forms struct {
	commands [][]string          // all, by their words
	formats  map[string][]string // of --format, by the command's words
}

var (
	offered = regexp.MustCompile(`(?m)^  ([a-z-]+) +\S`)
	formats = regexp.MustCompile(`--format string +(?:[^:\n]*: )?([a-z, ]+) \(default`)
)

// findForms asks a program for its commands and their formats.
func findForms(ctx context.Context, limit time.Duration, binary string) (*forms, error) {
	f := &forms{formats: map[string][]string{}}
	queue := [][]string{{}}
	for _, name := range hidden {
		queue = append(queue, []string{name})
	}
	for len(queue) > 0 && len(f.commands) < 100 {
		words := queue[0]
		queue = queue[1:]
		ran, err := execute(ctx, limit, binary, "", slices.Concat(words, []string{"--help"}))
		if err != nil {
			return nil, fmt.Errorf("ask for the help of %q: %w", words, err)
		}
		f.commands = append(f.commands, words)
		_, below, _ := strings.Cut(string(ran.stdout), "\nAvailable Commands:\n")
		below, _, _ = strings.Cut(below, "\n\n")
		for _, m := range offered.FindAllStringSubmatch(below, -1) {
			queue = append(queue, slices.Concat(words, m[1:]))
		}
		if m := formats.FindSubmatch(ran.stdout); m != nil {
			f.formats[strings.Join(words, " ")] = strings.Split(strings.ReplaceAll(string(m[1]), " or ", ", "), ", ")
		}
	}
	for _, name := range []string{"check", "report", "export", "list"} {
		if len(f.formats[name]) < 2 {
			return nil, fmt.Errorf("the help of %s names no formats", name)
		}
	}
	return f, nil
}

// findSubjects finds everything that is compared.
func findSubjects(f *forms, runs string, foreign []string) ([]subject, error) {
	entries, err := os.ReadDir(runs)
	if err != nil {
		return nil, fmt.Errorf("name a folder of runs with -runs: %w", err)
	}
	subjects := []subject{f.program(), f.mistakes()}
	var dirs []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") { // latest is a link
			dirs = append(dirs, filepath.Join(runs, e.Name()))
		}
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("there is no run in %s", runs)
	}
	subjects = append(subjects, f.together(dirs))
	for _, dir := range dirs {
		subjects = append(subjects, f.run(dir))
	}
	for _, path := range foreign {
		err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				subjects = append(subjects, f.foreign(path))
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("find histories: %w", err)
		}
	}
	return subjects, nil
}

// program is what needs no run: the helps and the lists.
func (f *forms) program() subject {
	s := subject{name: "helps and lists"}
	s.add("--version")
	for _, words := range f.commands {
		s.commands = append(s.commands, slices.Concat(words, []string{"--help"}))
		top := slices.Concat(words, []string{""})[0]
		if len(words) == 2 && top == "completion" {
			s.commands = append(s.commands, words)
		}
		if len(words) == 2 && top == "list" {
			for _, format := range f.formats["list"] {
				s.commands = append(s.commands, slices.Concat(words, []string{"--format", format}))
			}
		}
	}
	return s
}

// mistakes are command lines and inputs that are wrong.
func (f *forms) mistakes() subject {
	s := subject{name: "mistakes", files: map[string]string{"empty.edn": "", "notes.txt": "this is no history\n",
		"half.edn": `{:type :invoke, :process 0, :f :write, :value [1 2`, "plan.yaml": "target: {name: ripple, replcas: 2}\nworkloads: [{name: regster}]\n"}}
	for _, line := range []string{"", "frobnicate", "check", "check nowhere", "check .", "check notes.txt", "check empty.edn", "check half.edn",
		"check notes.txt --model nothing", "check notes.txt --memory much", "check . --claim nothing==0", "check nowhere --format nothing",
		"report", "report nowhere", "report .", "report . --into nowhere.md", "report . --format nothing", "export", "export nowhere",
		"export notes.txt", "export . --format nothing", "list nothing", "list facts --format nothing", "run", "run nowhere.yaml",
		"run plan.yaml", "run --replay nowhere", "run plan.yaml --replay .", "run plan.yaml --set nothing", "run --nothing", "check nowhere notes.txt empty.edn"} {
		s.add(strings.Fields(line)...)
	}
	return s
}

// together compares runs with each other.
func (f *forms) together(dirs []string) subject {
	s := subject{name: "all runs", files: map[string]string{"table.md": "# Runs\n\n<!-- table:begin -->\n<!-- table:end -->\n"}}
	var names []string
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "verdict.json")); err == nil { // else it ends there
			s.needs, names = append(s.needs, dir), append(names, filepath.Base(dir))
		}
	}
	if names == nil {
		return s
	}
	for _, format := range f.formats["report"] {
		s.commands = append(s.commands, slices.Concat([]string{"report", "--format", format}, names))
	}
	s.commands = append(s.commands, slices.Concat([]string{"report", "--into", "table.md"}, names))
	return s
}

var workload = regexp.MustCompile(`(?m)^ *- +\{?name: ([a-z-]+)`)

// run is all that is done with one run: first with what it saved itself, then
// with what is found anew.
func (f *forms) run(dir string) subject {
	name := filepath.Base(dir)
	s := subject{name: name, needs: []string{dir}}
	s.add("report", name) // together has the other formats
	s.add("check", name)
	s.add("check", name, "--format", "json", "--explain", "--write")
	s.add("check", filepath.Join(name, "history.arrows"), "--explain", "--claim", "linearizable", "--claim", "ops.late.p99 < 1h",
		"--claim", "writes.lost + set.lost <= 2")
	s.add("check", name, "--memory", little, "--format", "junit", "--write")
	s.add("check", name, "--memory", tiny, "--explain", "--write")
	s.add("report", name, "--format", "markdown")
	plan, _ := os.ReadFile(filepath.Join(dir, "plan.yaml")) // a run without one is a subject too
	s.add("export", name)
	for _, m := range workload.FindAllSubmatch(plan, -1) {
		for _, format := range f.formats["export"] {
			s.add("export", name, "--workload", string(m[1]), "--format", format, "--output", fmt.Sprintf("%s.%s", m[1], format))
		}
	}
	s.add("run", filepath.Join(name, "plan.yaml"), "--host", "docker", "--quiet") // ends where no engine answers
	s.add("run", "--replay", name, "--host", "docker", "--format", "json")
	return s
}

// foreign is all that is done with a history from elsewhere.
func (f *forms) foreign(path string) subject {
	name := filepath.Base(path)
	s := subject{name: name, needs: []string{path}}
	for _, format := range f.formats["check"] {
		s.add("check", name, "--format", format, "--explain")
	}
	s.add("check", name, "--model", "cas-register")
	s.add("check", name, "--claim", "writes.lost == 0", "--claim", "linearizable")
	return s
}
