package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/aftershock-chaos/aftershock/history"
	servers "github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	alltargets "github.com/aftershock-chaos/aftershock/targets/all"
)

// listed is a target that can be listed only.
type listed struct {
	targets.Target
	info targets.Info
}

func (l listed) Info() targets.Info { return l.info }

func fakeTargets() []targets.Target {
	return []targets.Target{
		listed{info: targets.Info{Name: "inside", About: "needs nothing", Kinds: []history.Kind{history.Read, history.Write}}},
		listed{info: targets.Info{Name: "quux", About: "a fake", Kinds: []history.Kind{history.Read, history.Write, history.Mark, history.Poll},
			Options: []schema.Field{{Name: "sync", Default: "on", Words: []string{"on", "off"}, Meaning: "wait"}},
			Modes: []targets.Mode{{Name: "single", About: "alone"},
				{Name: "async", About: "does not wait", Replicas: 2, Options: map[string]string{"sync": "off"}, Kinds: []history.Kind{history.Read}}},
			Servers:  []targets.Server{{Program: "quuxd", Install: "apt-get install quux"}, {Program: "quux-backup", Install: "apt-get install quux"}},
			Versions: []targets.Version{{Number: "2", Official: "quux:2", Built: "aftershock/quux:2"}, {Number: "1", Official: "quux:1", Built: "aftershock/quux:1"}}}},
	}
}

// fakeImages is an engine that has some images.
func fakeImages(have ...string) images {
	has := func(_ context.Context, name string) (bool, error) {
		for _, h := range have {
			if h == name {
				return true, nil
			}
		}
		return false, nil
	}
	return images{has: has, choose: func(ctx context.Context, info targets.Info, v servers.Version) (string, error) {
		for _, tested := range info.Versions {
			if tested.Number != v.String() {
				continue
			}
			if built, _ := has(ctx, tested.Built); built {
				return tested.Built, nil
			}
			return tested.Official, nil
		}
		return "", errors.New("not tested")
	}}
}

// withPrograms makes a PATH of just these programs and returns its folder.
func withPrograms(t *testing.T, names ...string) string {
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return dir
}

// TestDoctorsTargets: one line tells of each host what is there, and what to do
// where it is not.
func TestDoctorsTargets(t *testing.T) {
	for name, tc := range map[string]struct {
		programs []string
		images   images
		ok       bool
		want     string // DIR stands for the programs' folder
	}{
		"all":           {[]string{"quuxd", "quux-backup"}, fakeImages("aftershock/quux:1", "aftershock/quux:2"), true, "local: DIR/quuxd, DIR/quux-backup; docker: aftershock/quux:2, aftershock/quux:1"},
		"older":         {nil, fakeImages("aftershock/quux:1"), true, "local: quuxd, quux-backup missing → apt-get install quux, or make servers; docker: quux:2 would be pulled; aftershock/quux:2 → make images, aftershock/quux:1"},
		"official":      {[]string{"quuxd", "quux-backup"}, fakeImages("quux:2"), true, "local: DIR/quuxd, DIR/quux-backup; docker: quux:2"},
		"no image":      {[]string{"quuxd", "quux-backup"}, fakeImages(), true, "local: DIR/quuxd, DIR/quux-backup; docker: quux:2 would be pulled; aftershock/quux:2 → make images"},
		"half a server": {[]string{"quuxd"}, fakeImages("quux:2"), true, "local: quux-backup missing → apt-get install quux, or make servers; docker: quux:2"},
		"nothing":       {nil, fakeImages(), false, "local: quuxd, quux-backup missing → apt-get install quux, or make servers; docker: quux:2 would be pulled; aftershock/quux:2 → make images"},
		"no engine": {[]string{"quuxd", "quux-backup"}, images{engine: errors.New("down")}, true,
			"local: DIR/quuxd, DIR/quux-backup; docker: no engine could be asked; it would be quux:2, or aftershock/quux:2 (make images)"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := withPrograms(t, tc.programs...)
			list := lookAround(t.Context(), fakeTargets(), tc.images)
			if c := list[0].check(); !c.OK || c.Name != "target inside" || c.Detail != "local: the aftershock binary alone; docker: the aftershock binary alone" {
				t.Errorf("a target that needs nothing is %+v", c)
			}
			c := list[1].check()
			if got := strings.ReplaceAll(c.Detail, dir, "DIR"); c.OK != tc.ok || c.Name != "target quux" || got != tc.want {
				t.Errorf("got  %v %s\nwant %v %s", c.OK, got, tc.ok, tc.want)
			}
		})
	}
}

func TestListedTarget(t *testing.T) {
	dir := withPrograms(t, "quuxd", "quux-backup")
	list := lookAround(t.Context(), fakeTargets(), fakeImages("aftershock/quux:2"))
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	list[1].print(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"quux: a fake", "workloads register, lag, ycsb-a, ycsb-b, ycsb-c, ycsb-d, ycsb-f (read, write, mark, poll)", "versions tested: 2, 1", "docker aftershock/quux:2", "local DIR/quuxd, DIR/quux-backup",
		"mode single alone", "mode async does not wait (2 replicas, sync=off)", "sync: on|off wait (default on)",
	} {
		if got := strings.Join(strings.Fields(strings.ReplaceAll(text.String(), dir, "DIR")), " "); !strings.Contains(got, want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	encoded, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"chosen":"aftershock/quux:2","present":true`, `"workloads":["register","lag","ycsb-a",`, `"operations":["read"]`,
		`"program":"quuxd","path":"` + dir, `"values":["on","off"]`, `"name":"inside","about":"needs nothing","modes":[]`} {
		if !strings.Contains(string(encoded), want) {
			t.Errorf("the JSON lacks %s:\n%s", want, encoded)
		}
	}
}

// imageName is the target whose image a target uses.
func imageName(target string) string {
	if target == "galera" {
		return "mariadb"
	}
	return strings.TrimSuffix(target, "-sentinel")
}

// TestTargetsCanBeListed: every target says what people look for, and every
// mode is one that the target takes.
func TestTargetsCanBeListed(t *testing.T) {
	for _, target := range alltargets.Targets() {
		info := target.Info()
		if l := describe(info); l.About == "" || strings.Contains(l.About, "\n") || len(l.Workloads) == 0 {
			t.Errorf("%s needs an about of one line and operations for some workload: %+v", info.Name, l)
		}
		for _, m := range info.Modes {
			if m.About == "" || strings.Contains(m.About, "\n") {
				t.Errorf("%s: mode %s needs an about of one line", info.Name, m.Name)
			}
			if _, err := target.Configure(targets.Config{Replicas: m.Replicas, Options: m.Options, Seed: 1}); err != nil {
				t.Errorf("%s: mode %s: %v", info.Name, m.Name, err)
			}
			if len(info.Versions) > 0 && !slices.ContainsFunc(info.Versions, func(v targets.Version) bool {
				number, _ := servers.Find(v.Number)
				_, err := target.Configure(targets.Config{Replicas: m.Replicas, Options: m.Options, Version: number, Seed: 1})
				return err == nil
			}) {
				t.Errorf("%s: mode %s: no tested version can do it", info.Name, m.Name)
			}
		}
		for _, v := range info.Versions {
			if number, err := servers.Parse(v.Number); err != nil || !info.BuiltIn() && (v.Official == "" || v.Built != "aftershock/"+imageName(info.Name)+":"+number.String()) {
				t.Errorf("%s: the version %+v, %v", info.Name, v, err)
			}
		}
		for _, s := range info.Servers {
			if s.Program == "" || s.Install == "" {
				t.Errorf("%s: a server needs its program's name and how to install it: %+v", info.Name, s)
			}
		}
	}
}
