package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Wipe is Kill, and then the data directory is emptied, as when another machine
// takes the place of one that burnt down. It took effect when its processes were
// killed. The directory itself stays: something may be mounted there.
func (s *Supervisor) Wipe(a cluster.Action) (cluster.Effect, error) {
	effect, err := s.killAll(a.ID)
	if err != nil {
		return effect, err
	}
	removed, err := empty(s.o.DataDir)
	if err != nil {
		return cluster.Effect{}, fmt.Errorf("empty the data directory: %w", err)
	}
	if effect.Changed = effect.Changed || removed > 0; removed > 0 {
		effect.Counts = map[string]uint64{"files removed": removed}
	}
	return effect, nil
}

// empty removes all that a directory holds, and counts the files. What is not
// there holds nothing.
func empty(dir string) (removed uint64, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		err := filepath.WalkDir(path, func(_ string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				removed++
			}
			return err
		})
		if err != nil {
			return removed, err
		}
		if err := os.RemoveAll(path); err != nil {
			return removed, err
		}
	}
	return removed, nil
}
