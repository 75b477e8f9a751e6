package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// binaries are static, stripped, and know their version.
func (r *release) binaries(ctx context.Context, _ string) error {
	const set = " -X github.com/aftershock-chaos/aftershock/internal/build."
	flags := "-s -w -buildid=" + set + "release=" + r.version + set + "commit=" + r.commit // Go's own stamp is not the same in every kind of checkout
	for _, arch := range r.archs {
		env := append([]string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOWORK=off"}, r.env...)
		if _, err := commandIn(ctx, r.root, env, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", r.name(arch, ""), "./cmd/aftershock"); err != nil {
			return err
		}
	}
	return nil
}

// completions are where each shell's packages look for them.
var completions = map[string]string{
	"bash": "usr/share/bash-completion/completions/aftershock",
	"zsh":  "usr/share/zsh/site-functions/_aftershock",
	"fish": "usr/share/fish/vendor_completions.d/aftershock.fish",
}

// texts makes what packages have beside the program, in the stage as on a system, and an
// archive of that.
func (r *release) texts(ctx context.Context, stage string) error {
	program := r.name(runtime.GOARCH, "")
	if !slices.Contains(r.archs, runtime.GOARCH) {
		return fmt.Errorf("the manual is written by the program itself: name %s with -arch, too", runtime.GOARCH)
	}
	for shell, path := range completions {
		text, err := command(ctx, stage, program, "completion", shell)
		if err != nil {
			return err
		}
		if err := r.write(filepath.Join(stage, path), []byte(text+"\n")); err != nil {
			return err
		}
	}
	pages := filepath.Join(stage, "pages")
	if _, err := commandIn(ctx, stage, r.env, program, "man", pages); err != nil {
		return err
	}
	entries, err := os.ReadDir(pages)
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(pages, e.Name()))
		if err != nil {
			return err
		}
		if err := r.write(filepath.Join(stage, "usr/share/man/man1", e.Name()+".gz"), zipped(text)); err != nil {
			return err
		}
	}
	for from, to := range map[string]string{"LICENSE": "copyright", "README.md": "README.md", "CHANGELOG.md": "CHANGELOG.md"} {
		text, err := os.ReadFile(filepath.Join(r.root, from))
		if err != nil {
			return err
		}
		if err := r.write(filepath.Join(stage, "usr/share/doc/aftershock", to), text); err != nil {
			return err
		}
	}
	archive, err := r.archive(filepath.Join(stage, "usr"), "usr")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "aftershock-"+r.version+"-share.tar.gz"), zipped(archive), 0o644)
}

// zipped compresses without a name or a time.
func zipped(text []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is one that there is
	_, _ = z.Write(text)                                  // a buffer takes all
	_ = z.Close()
	return b.Bytes()
}

// write writes a file with the commit's time.
func (r *release) write(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return err
	}
	return os.Chtimes(path, r.at, r.at)
}

// archive is a tar of a folder's files, in order of their names, owned by root, with the
// commit's time.
func (r *release) archive(dir, under string) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return r.add(w, path, under+"/"+filepath.ToSlash(rel), 0o644)
	})
	if err != nil {
		return nil, err
	}
	return b.Bytes(), w.Close()
}

// add adds a file to an archive.
func (r *release) add(w *tar.Writer, path, name string, mode int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: info.Size(), ModTime: r.at, Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// bills tells of each binary which modules it is made of, as CycloneDX.
func (r *release) bills(ctx context.Context, _ string) error {
	for _, arch := range r.archs {
		tool := filepath.Join(r.root, "scripts", "release")
		if _, err := command(ctx, tool, "go", "tool", "cyclonedx-gomod", "bin", "-json", "-std", "-noserial", "-notimestamp",
			"-version", r.version, "-output", r.name(arch, ".cdx.json"), r.name(arch, "")); err != nil {
			return err
		}
		text, err := os.ReadFile(r.name(arch, ".cdx.json"))
		if err != nil {
			return err
		}
		if !strings.Contains(string(text), "github.com/spf13/cobra") {
			return fmt.Errorf("%s names no modules", r.name(arch, ".cdx.json"))
		}
	}
	return nil
}
