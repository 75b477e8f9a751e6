package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// pkg is the package whose mutants are listed.
const pkg = "./checkers"

// prepare builds the tests with the mutants: as many as can be in one binary,
// each of the others in one of its own when it is tried. What does not apply
// is marked so. dir is theirs and has to stay until all were tried.
func prepare(ctx context.Context, dir string, mutants []mutant) (binary string, err error) {
	files := map[string][]*mutant{}
	for i := range mutants {
		files[mutants[i].file] = append(files[mutants[i].file], &mutants[i])
	}
	replace := map[string]string{}
	for file, all := range files {
		source, err := os.ReadFile(filepath.Join(pkg, file))
		if err != nil {
			return "", err
		}
		var fit []*mutant
		for _, m := range all {
			m.source = string(source)
			if n := strings.Count(m.source, m.old); n != 1 {
				m.unfit = fmt.Sprintf("its text is in the file %d times", n)
				continue
			}
			fit = append(fit, m)
		}
		woven, left, err := weave(string(source), fit)
		if err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
		for _, m := range left {
			m.alone = true
		}
		replace[file] = woven
	}
	replace["chosen_mutant.go"] = fmt.Sprintf(chooser, filepath.Base(pkg))
	binary = filepath.Join(dir, "all")
	return binary, compile(ctx, dir, replace, binary)
}

// compile builds the package's tests with files in place of its own.
func compile(ctx context.Context, dir string, replace map[string]string, binary string) error {
	paths := map[string]string{}
	for file, text := range replace {
		path, err := filepath.Abs(filepath.Join(pkg, file))
		if err != nil {
			return err
		}
		paths[path] = filepath.Join(dir, file)
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
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-gcflags=-e", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, pkg)
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

// built is the binary that has the mutant: the common one, or its own.
func (m *mutant) built(ctx context.Context, dir, common string) (string, error) {
	if !m.alone {
		return common, nil
	}
	own := filepath.Join(dir, fmt.Sprint(m.id))
	if err := os.MkdirAll(own, 0o755); err != nil {
		return "", err
	}
	binary := filepath.Join(own, "test")
	return binary, compile(ctx, own, map[string]string{m.file: strings.Replace(m.source, m.old, m.new, 1)}, binary)
}
