package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sumsFile has the SHA-256 of every other file, as sha256sum -c reads it.
const sumsFile = "SHA256SUMS"

// sums writes it.
func (r *release) sums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(text), e.Name())
	}
	fmt.Print(b.String())
	return os.WriteFile(filepath.Join(r.out, sumsFile), b.Bytes(), 0o644)
}

// checkAgain makes the release of a clone in another folder, with an empty cache, and says
// which files differ.
func (r *release) checkAgain(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "aftershock-again-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	clone := filepath.Join(dir, "elsewhere", "sources")
	if _, err := command(ctx, dir, "git", "clone", "--quiet", "--no-local", r.root, clone); err != nil {
		return err
	}
	if _, err := command(ctx, clone, "git", "checkout", "--quiet", r.commit); err != nil {
		return err
	}
	if err := os.Setenv("GOCACHE", filepath.Join(dir, "cache")); err != nil {
		return err
	}
	again := &release{root: clone, out: filepath.Join(dir, "dist"), version: r.version, commit: r.commit, archs: r.archs, at: r.at, env: r.env}
	if err := again.make(ctx); err != nil {
		return fmt.Errorf("the second time: %w", err)
	}
	first, err := os.ReadFile(filepath.Join(r.out, sumsFile))
	if err != nil {
		return err
	}
	second, err := os.ReadFile(filepath.Join(again.out, sumsFile))
	if err != nil {
		return err
	}
	if differ := differing(string(first), string(second)); len(differ) > 0 {
		return fmt.Errorf("not reproducible: made again, other bytes have %s", strings.Join(differ, ", "))
	}
	fmt.Fprintln(os.Stderr, "release: made again of a clone, with an empty cache: the same bytes")
	return nil
}

// differing are the names of the lines of sums that only one has.
func differing(first, second string) []string {
	count := map[string]int{}
	var order []string
	for _, text := range []string{first, second} {
		for line := range strings.Lines(text) {
			if count[line]++; count[line] == 1 {
				order = append(order, line)
			}
		}
	}
	var names []string
	for _, line := range order {
		if count[line] == 1 {
			_, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
