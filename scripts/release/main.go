// Command release makes what people install: static binaries, packages for Debian's and
// Red Hat's kin, an image, completions, manual pages, bills of materials and checksums. The
// same commit gives the same bytes, which -check shows. It is a module of its own, so
// that the product does not depend on what makes its packages.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	out := flag.String("out", "dist", "folder for what is made")
	version := flag.String("version", "", "what the release is called, e.g. 1.2.0 (default: the commit's tag, else 0.0.0 with date and commit)")
	archs := flag.String("arch", "amd64,arm64", "the architectures to make it for")
	check := flag.Bool("check", false, "make it again of a clone in another folder, with nothing kept from the first time, and compare")
	flag.Parse()
	if err := run(context.Background(), *out, *version, strings.Split(*archs, ","), *check); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, version string, archs []string, check bool) error {
	root, err := command(ctx, ".", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	r, err := newRelease(ctx, root, out, version)
	if err != nil {
		return err
	}
	if r.archs = archs; check && strings.HasSuffix(r.commit, dirty) {
		return errors.New("-check makes the release of the commit again, and the sources have been changed since; commit them")
	}
	if err := r.make(ctx); err != nil {
		return err
	}
	if !check {
		return nil
	}
	return r.checkAgain(ctx)
}

// release is what is made of one commit.
type release struct {
	root    string // of the sources
	out     string
	version string
	commit  string    // in short, with -dirty where the sources are not the commit's
	archs   []string  // for which binaries are made
	at      time.Time // of the commit; all files have this time
	env     []string  // besides the process's own
}

func newRelease(ctx context.Context, root, out, version string) (*release, error) {
	stamp, err := command(ctx, root, "git", "log", "-1", "--format=%ct")
	if err != nil {
		return nil, err
	}
	if given := os.Getenv("SOURCE_DATE_EPOCH"); given != "" {
		stamp = given
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH is %q: %w", stamp, err)
	}
	at := time.Unix(seconds, 0).UTC()
	commit, err := commitOf(ctx, root)
	if err != nil {
		return nil, err
	}
	if version == "" {
		version = versionOf(ctx, root, at, commit)
	}
	out, err = filepath.Abs(out)
	if err != nil {
		return nil, err
	}
	return &release{root: root, out: out, version: strings.TrimPrefix(version, "v"), commit: commit, at: at, env: []string{"SOURCE_DATE_EPOCH=" + stamp}}, nil
}

// dirty is what the sources' commit is called with when they have been changed since.
const dirty = "-dirty"

// commitOf is the commit of the sources in short.
func commitOf(ctx context.Context, root string) (string, error) {
	commit, err := command(ctx, root, "git", "rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "", err
	}
	changed, err := command(ctx, root, "git", "status", "--porcelain")
	if err != nil {
		return "", err
	}
	if changed != "" {
		commit += dirty
	}
	return commit, nil
}

// versionOf is the commit's tag, or a version below all others with its date.
func versionOf(ctx context.Context, root string, at time.Time, commit string) string {
	if tag, err := command(ctx, root, "git", "describe", "--tags", "--exact-match", "--match", "v[0-9]*"); err == nil && !strings.HasSuffix(commit, dirty) {
		return tag
	}
	return fmt.Sprintf("0.0.0+%s.%s", at.Format("20060102"), commit)
}

// make fills the folder, which is emptied first.
func (r *release) make(ctx context.Context) error {
	if err := r.empty(); err != nil {
		return err
	}
	stage, err := os.MkdirTemp("", "aftershock-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	for _, step := range []struct {
		name string
		do   func(context.Context, string) error
	}{{"binaries", r.binaries}, {"manual and completions", r.texts}, {"bills of materials", r.bills}, {"packages", r.packages}, {"images", r.images}} {
		fmt.Fprintln(os.Stderr, "release:", step.name)
		if err := step.do(ctx, stage); err != nil {
			return fmt.Errorf("make the %s: %w", step.name, err)
		}
	}
	return r.sums()
}

// empty makes the folder, or empties one that was made before.
func (r *release) empty() error {
	entries, err := os.ReadDir(r.out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "aftershock") && e.Name() != sumsFile {
			return fmt.Errorf("%s holds %s, which is no part of a release; name another folder with -out", r.out, e.Name())
		}
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(r.out, e.Name())); err != nil {
			return err
		}
	}
	return os.MkdirAll(r.out, 0o755)
}

// name is a file of the release.
func (r *release) name(arch, ending string) string {
	return filepath.Join(r.out, fmt.Sprintf("aftershock-%s-linux-%s%s", r.version, arch, ending))
}

// command runs a program, and returns what it prints without the last line's end.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	return commandIn(ctx, dir, nil, name, args...)
}

func commandIn(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return strings.TrimRight(string(out), "\n"), nil
}
