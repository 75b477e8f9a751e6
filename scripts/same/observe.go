package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// observation is one thing that a program showed.
type observation struct {
	name string
	text []byte // never nil
}

// noEngine is a container engine that does not answer: a plan that is right
// ends there.
const noEngine = "DOCKER_HOST=unix:///no/engine"

// madeAt is the time of files that are made for the programs.
var madeAt = time.Unix(1e9, 0)

// observe runs a subject's commands with one program, in a new copy of what it
// needs, and tells all that is seen of them.
func observe(ctx context.Context, limit time.Duration, binary, dir string, s *subject) (all []observation, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, path := range s.needs {
		if err := copyTree(path, filepath.Join(dir, filepath.Base(path))); err != nil {
			return nil, fmt.Errorf("copy %s: %w", path, err)
		}
	}
	for name, text := range s.files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, madeAt, madeAt)); err != nil {
			return nil, err
		}
	}
	before, err := tree(dir, nil)
	if err != nil {
		return nil, err
	}
	for i, args := range s.commands {
		name := fmt.Sprintf("%d: aftershock %s", i+1, strings.Join(args, " ")) // some come more than once
		ran, err := execute(ctx, limit, binary, dir, args)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		after, err := tree(dir, before)
		if err != nil {
			return nil, err
		}
		all = append(all, observation{"exit code of " + name, []byte(ran.code)},
			observation{"stdout of " + name, ran.stdout}, observation{"stderr of " + name, ran.stderr})
		for _, o := range changes(before, after) {
			all = append(all, observation{o.name + " of " + name, o.text})
		}
		before = after
	}
	return all, nil
}

// ran is how a command ended.
type ran struct {
	code           string
	stdout, stderr []byte
}

// execute runs one command. That it fails is no error, but that it does not end is.
func execute(ctx context.Context, limit time.Duration, binary, dir string, args []string) (ran, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %s", limit))
	defer cancel()
	stdout, stderr := bytes.NewBuffer([]byte{}), bytes.NewBuffer([]byte{})
	cmd := exec.CommandContext(bounded, binary, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), noEngine)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if bounded.Err() != nil {
		return ran{}, context.Cause(bounded)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return ran{}, err
	}
	return ran{cmd.ProcessState.String() + "\n", stdout.Bytes(), stderr.Bytes()}, nil
}

// file is one of a folder.
type file struct {
	mode fs.FileMode
	size int64
	time time.Time // of its modification
	text string
}

// tree reads all files below a folder, but for those that are as they were.
func tree(dir string, before map[string]file) (map[string]file, error) {
	files := map[string]file{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f := file{mode: info.Mode(), size: info.Size(), time: info.ModTime()}
		was := before[name]
		switch {
		case f.mode.IsDir():
			f.size, f.time = 0, time.Time{}
		case f.mode == was.mode && f.size == was.size && f.time.Equal(was.time):
			f = was
		case f.mode.IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			f.text = string(text)
		}
		files[name] = f
		return nil
	})
	return files, err
}

// changes are the files that a command made, wrote or removed: a list of them,
// and the text of each. One that is written with the same text counts too.
func changes(before, after map[string]file) []observation {
	var list bytes.Buffer
	var texts []observation
	names := map[string]bool{}
	for name := range before {
		names[name] = true
	}
	for name := range after {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, had := before[name]
		is, has := after[name]
		switch {
		case !has:
			fmt.Fprintf(&list, "removed %s\n", name)
			continue
		case had && was == is:
			continue
		case had:
			fmt.Fprintf(&list, "wrote %s %s\n", name, is.mode)
		default:
			fmt.Fprintf(&list, "made %s %s\n", name, is.mode)
		}
		if is.mode.IsRegular() {
			texts = append(texts, observation{"file " + name, []byte(is.text)})
		}
	}
	if list.Len() == 0 {
		return nil
	}
	return append([]observation{{"files", list.Bytes()}}, texts...)
}

// copyTree copies files and folders with their times of modification. Links
// stay links; what is neither is left out.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		case info.Mode()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case !info.Mode().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(target, text, info.Mode().Perm()); err != nil {
			return err
		}
		return os.Chtimes(target, info.ModTime(), info.ModTime())
	})
}
