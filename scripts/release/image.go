package main

import (
	"archive/tar"
	"bytes"
	"context"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// images are archives that `docker load` takes: the program and nothing else.
func (r *release) images(context.Context, string) error {
	for _, arch := range r.archs {
		if err := r.image(arch); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) image(arch string) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, dir := range []string{"tmp/", "usr/", "usr/bin/", "work/"} {
		mode := int64(0o755)
		if dir == "tmp/" {
			mode = 0o1777
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: mode, ModTime: r.at, Format: tar.FormatUSTAR}); err != nil {
			return err
		}
	}
	if err := r.add(w, r.name(arch, ""), "usr/bin/aftershock", 0o755); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		return err
	}
	img, err := mutate.Append(empty.Image, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: r.at}, CreatedBy: "aftershock release"}})
	if err != nil {
		return err
	}
	if img, err = mutate.ConfigFile(img, r.config(img, arch)); err != nil {
		return err
	}
	tag, err := name.NewTag("aftershock:" + tagOf(r.version))
	if err != nil {
		return err
	}
	return tarball.WriteToFile(r.name(arch, ".image.tar"), tag, img)
}

// config says how the image is run, beside what its layers are.
func (r *release) config(img v1.Image, arch string) *v1.ConfigFile {
	file, err := img.ConfigFile()
	if err != nil {
		return &v1.ConfigFile{}
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = "linux", arch, v1.Time{Time: r.at}
	file.Config = v1.Config{
		Entrypoint: []string{"/usr/bin/aftershock"}, WorkingDir: "/work", Env: []string{"PATH=/usr/bin", "HOME=/tmp"},
		Labels: map[string]string{"org.opencontainers.image.version": r.version, "org.opencontainers.image.title": "aftershock", "org.opencontainers.image.licenses": "Apache-2.0"},
	}
	return file
}

// tagOf is a version as an image's tag, which has no plus.
func tagOf(version string) string {
	tag := []byte(version)
	for i := range tag {
		if tag[i] == '+' {
			tag[i] = '_'
		}
	}
	return string(tag)
}
