package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/probe"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/history"
	servers "github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// lookAroundTimeout bounds the questions to the engine about images.
const lookAroundTimeout = 10 * time.Second

// targetListing is a target, and what of it is on this machine.
type targetListing struct {
	Name       string          `json:"name"`
	About      string          `json:"about"`
	Modes      []modeListing   `json:"modes"`
	Workloads  []string        `json:"workloads"`
	Operations []string        `json:"operations"`
	Options    []optionListing `json:"options"`
	Image      imageListing    `json:"image"`    // of the default version
	Versions   []imageListing  `json:"versions"` // that are tested, the newest first
	Servers    []serverListing `json:"servers"`
	Tasks      []taskListing   `json:"tasks"` // what a fault `do` can have its nodes do
	Bugs       []string        `json:"bugs"`
}

type modeListing struct {
	Name       string            `json:"name"`
	About      string            `json:"about"`
	Replicas   int               `json:"replicas"`
	Options    map[string]string `json:"options"`
	Operations []string          `json:"operations"`
}

type optionListing struct {
	Name    string   `json:"name"`
	Default string   `json:"default"`
	Values  []string `json:"values"` // null: free form
	About   string   `json:"about"`
}

type taskListing struct {
	Name  string `json:"name"` // "etcd.compact"
	About string `json:"about"`
}

// imageListing is what the docker host would make nodes of.
type imageListing struct {
	Version  string `json:"version"`
	Official string `json:"official"` // of a public registry
	Built    string `json:"built"`    // by make images
	Chosen   string `json:"chosen"`   // the one that would be used; empty: the aftershock binary's own, or no engine answers
	Present  bool   `json:"present"`  // the engine has it; otherwise it would be pulled
	Engine   string `json:"engine"`   // why no engine could be asked; empty: one was
}

// serverListing is a program that the local host needs.
type serverListing struct {
	Program string `json:"program"`
	Path    string `json:"path"`    // empty: it was not found
	Install string `json:"install"` // how to install it
}

// images answers questions about images; tests have their own.
type images struct {
	engine error // why there is no engine to ask
	choose func(ctx context.Context, info targets.Info, v servers.Version) (string, error)
	has    func(ctx context.Context, name string) (bool, error)
}

// engineImages asks the host that has images, if it answers.
func engineImages(ctx context.Context) images {
	for _, h := range harness.Hosts() {
		if h.HasImage == nil {
			continue
		}
		_, err := h.Available(ctx)
		return images{engine: err, has: h.HasImage, choose: func(ctx context.Context, info targets.Info, v servers.Version) (string, error) {
			image, _, err := h.ChooseImage(ctx, info, harness.Wanted{Version: v})
			return image, err
		}}
	}
	return images{engine: errors.New("no host has images")}
}

// lookAround describes targets with what of them is on this machine.
func lookAround(ctx context.Context, known []targets.Target, from images) []targetListing {
	ctx, cancel := context.WithTimeout(ctx, lookAroundTimeout)
	defer cancel()
	list := []targetListing{}
	for _, t := range known {
		info := t.Info()
		l := describe(info)
		for _, v := range info.Versions {
			if info.BuiltIn() {
				l.Versions = append(l.Versions, imageListing{Version: v.Number})
				continue
			}
			l.Versions = append(l.Versions, from.of(ctx, info, v))
		}
		if len(l.Versions) > 0 && !info.BuiltIn() {
			l.Image = l.Versions[0]
		}
		for _, s := range info.Servers {
			path, _ := kit.Find(s) // an error is that it was not found
			l.Servers = append(l.Servers, serverListing{Program: s.Program, Path: path, Install: s.Install})
		}
		list = append(list, l)
	}
	return list
}

// describe tells what a target can do.
func describe(info targets.Info) targetListing {
	l := targetListing{Name: info.Name, About: info.About, Modes: []modeListing{}, Options: []optionListing{}, Versions: []imageListing{}, Servers: []serverListing{},
		Workloads: workloadsOf(info.Kinds), Operations: operations(info.Kinds), Tasks: []taskListing{}, Bugs: []string{}}
	for _, m := range info.Modes {
		kinds := m.Kinds
		if kinds == nil {
			kinds = info.Kinds
		}
		l.Modes = append(l.Modes, modeListing{Name: m.Name, About: m.About, Replicas: m.Replicas, Options: m.Options, Operations: operations(kinds)})
	}
	for _, o := range info.Options {
		l.Options = append(l.Options, optionListing{Name: o.Name, Default: o.Default, Values: o.Words, About: o.Meaning})
	}
	for _, t := range info.Tasks {
		l.Tasks = append(l.Tasks, taskListing{Name: info.Name + "." + t.Name, About: t.About})
	}
	for _, b := range info.Bugs {
		l.Bugs = append(l.Bugs, b.Name)
	}
	return l
}

// workloadsOf lists the workloads whose usual operations are all there.
func workloadsOf(kinds []history.Kind) []string {
	can := []string{}
	for _, t := range workloads.Types() {
		w, err := workloads.New(workloads.Spec{Type: t.Name})
		if err != nil {
			continue // not reached: every type has defaults
		}
		if !slices.ContainsFunc(w.Kinds(), func(k history.Kind) bool { return !slices.Contains(kinds, k) }) {
			can = append(can, t.Name)
		}
	}
	return can
}

func operations(kinds []history.Kind) []string {
	names := []string{}
	for _, k := range kinds {
		names = append(names, k.String())
	}
	return names
}

func (from images) of(ctx context.Context, info targets.Info, v targets.Version) imageListing {
	l := imageListing{Version: v.Number, Official: v.Official, Built: v.Built}
	number, _ := servers.Find(v.Number)
	err := from.engine
	if err == nil {
		l.Chosen, err = from.choose(ctx, info, number)
	}
	if err == nil && l.Chosen != "" {
		l.Present, err = from.has(ctx, l.Chosen)
	}
	if err != nil {
		l.Engine = err.Error()
	}
	return l
}

// imageWords says in few words what the docker host would make nodes of, and ok
// whether that is there, of one version at least.
func (l *targetListing) imageWords() (words string, ok bool) {
	if len(l.Versions) == 0 || l.Versions[0].Built == "" {
		return "the aftershock binary alone", true
	}
	var all []string
	for i := range l.Versions {
		words, present := l.Versions[i].words()
		ok = ok || present
		if present || i == 0 { // an older version that is missing is no news
			all = append(all, words)
		}
	}
	return strings.Join(all, ", "), ok
}

// words are imageWords of one version.
func (i *imageListing) words() (words string, ok bool) {
	switch {
	case i.Engine != "":
		return "no engine could be asked; it would be " + orNone(i.Official) + ", or " + orNone(i.Built) + " (make images)", false
	case i.Present:
		return i.Chosen, true
	case i.Chosen == "":
		return i.Built + " is missing → make images", false
	}
	words = i.Chosen + " would be pulled"
	if i.Built != "" && i.Built != i.Chosen {
		words += "; " + i.Built + " → make images"
	}
	return words, false
}

// versionNumbers are the versions that are tested.
func (l *targetListing) versionNumbers() string {
	var numbers []string
	for _, v := range l.Versions {
		numbers = append(numbers, v.Version)
	}
	return strings.Join(numbers, ", ")
}

// serverWords says where the local host finds the servers, or how to install
// them, and ok whether all are there.
func (l *targetListing) serverWords() (words string, ok bool) {
	if len(l.Servers) == 0 {
		return "the aftershock binary alone", true
	}
	var found, missing, install []string
	for _, s := range l.Servers {
		switch {
		case s.Path != "":
			found = append(found, s.Path)
		default:
			missing = append(missing, s.Program)
			if s.Install != "" && !slices.Contains(install, s.Install) {
				install = append(install, s.Install)
			}
		}
	}
	if len(missing) == 0 {
		return strings.Join(found, ", "), true
	}
	return strings.Join(missing, ", ") + " missing → " + strings.Join(append(install, "make servers"), ", or "), false
}

// check is doctor's line on the target. It is met where the target can run on
// one of the hosts.
func (l *targetListing) check() probe.Check {
	server, local := l.serverWords()
	image, docker := l.imageWords()
	return probe.Check{Name: "target " + l.Name, OK: local || docker, Detail: "local: " + server + "; docker: " + image}
}

// print writes the target for people.
func (l *targetListing) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n", l.Name, l.About) // without a tab: the columns of each target have their own widths
	fmt.Fprintf(w, "  workloads\t%s (%s)\n", strings.Join(l.Workloads, ", "), strings.Join(l.Operations, ", "))
	if len(l.Versions)+len(l.Servers) > 0 {
		image, _ := l.imageWords()
		server, _ := l.serverWords()
		fmt.Fprintf(w, "  versions\ttested: %s\n  docker\t%s\n  local\t%s\n", l.versionNumbers(), image, server)
	}
	for _, m := range l.Modes {
		fmt.Fprintf(w, "  mode %s\t%s%s\n", m.Name, m.About, m.settings())
	}
	for _, o := range l.Options {
		values := strings.Join(o.Values, "|")
		if len(o.Values) > 6 || values == "" {
			values = "…"
		}
		fmt.Fprintf(w, "  %s: %s\t%s (default %s)\n", o.Name, values, o.About, orNone(o.Default))
	}
	for _, t := range l.Tasks {
		fmt.Fprintf(w, "  do: %s\t%s\n", t.Name, t.About)
	}
}

// settings is " (2 replicas, a=b)".
func (m *modeListing) settings() string {
	var words []string
	switch m.Replicas {
	case 0:
	case 1:
		words = append(words, "1 replica")
	default:
		words = append(words, fmt.Sprintf("%d replicas", m.Replicas))
	}
	for _, name := range slices.Sorted(maps.Keys(m.Options)) {
		words = append(words, name+"="+m.Options[name])
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}
