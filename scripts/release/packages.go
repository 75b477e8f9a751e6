package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // the formats register themselves
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// packages are for Debian's and Red Hat's kin.
func (r *release) packages(_ context.Context, stage string) error {
	for _, arch := range r.archs {
		for _, format := range []string{"deb", "rpm"} {
			if err := r.pack(stage, arch, format); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *release) pack(stage, arch, format string) error {
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "aftershock", Arch: arch, Platform: "linux", Version: r.version, Release: "1", Section: "devel", Priority: "optional",
		Maintainer: "the Aftershock authors <aftershock@localhost>", Homepage: "https://github.com/aftershock-chaos/aftershock", License: "Apache-2.0",
		Description: "Does your replicated system keep what it acknowledged?\nLaunches replicated systems, breaks them under load, and proves from the history\nwhat was lost, what was stale, how long it took and how far replicas lagged.",
		MTime:       r.at, DisableGlobbing: true,
	})
	info.RPM.BuildHost, info.RPM.Summary, info.Deb.Compression = "localhost", "Does your replicated system keep what it acknowledged?", "gzip"
	list := files.Contents{
		{Source: r.name(arch, ""), Destination: "/usr/bin/aftershock", FileInfo: &files.ContentFileInfo{Mode: 0o755, MTime: r.at, Owner: "root", Group: "root"}},
		{Source: filepath.Join(stage, "usr"), Destination: "/usr", Type: files.TypeTree, FileInfo: &files.ContentFileInfo{MTime: r.at, Owner: "root", Group: "root"}},
	}
	if info.Contents, err = files.PrepareForPackager(list, 0o022, format, true, r.at); err != nil {
		return err
	}
	f, err := os.Create(r.name(arch, "."+format))
	if err != nil {
		return err
	}
	return errors.Join(packager.Package(info, f), f.Close())
}
