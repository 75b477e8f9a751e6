package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// writeFiles writes the spec's files as the user's own. durable: they are synced, and
// their names, as those of a machine that was set up long ago.
func writeFiles(spec cluster.ServerSpec, dataDir string, in place, durable bool) error {
	who, err := in.lookupUser(spec.User)
	if err != nil {
		return err
	}
	for name, contents := range spec.Files {
		path := expand(name, dataDir)
		if !filepath.IsAbs(path) {
			path = filepath.Join(dataDir, path)
		}
		if path != dataDir && !strings.HasPrefix(path, dataDir+"/") {
			path = in.dir + path
		}
		if err := makeParents(filepath.Dir(path), who); err != nil {
			return fmt.Errorf("make the directory of %s: %w", path, err)
		}
		if err := os.WriteFile(path, []byte(expand(contents, dataDir)), 0o600); err != nil {
			return fmt.Errorf("write a file of the server: %w", err)
		}
		if err := who.chown(path); err != nil {
			return err
		}
		if durable {
			if err := syncFile(path, dataDir); err != nil {
				return fmt.Errorf("sync a file of the server: %w", err)
			}
		}
	}
	return nil
}

// syncFile syncs a file and, if it is below dir, the folders on the way to it.
func syncFile(path, dir string) error {
	for {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		if path == dir || !strings.HasPrefix(path, dir+"/") {
			return nil
		}
		path = filepath.Dir(path)
	}
}

// makeDataDir makes the data directory and gives it, but not what it holds, to
// who. Databases insist on its being closed to everybody else.
func makeDataDir(dir string, who account) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return who.chown(dir)
}

// makeParents makes what is missing of dir and gives that to who.
func makeParents(dir string, who account) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeParents(filepath.Dir(dir), who); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return who.chown(dir)
}
