package series

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
)

// SideSetting is what tells the cells of --base from those of today's.
const SideSetting = "side"

// The values of SideSetting.
const (
	BaseSide = "base"
	HeadSide = "head"
)

// WithBase doubles the cells: each runs on a base and, as the plan says, on the
// head. A base that is a file is an aftershock binary: the nodes of base's runs
// are made of it, so that it is their agents and ripple's server, and on the
// local host also the process that drives and judges them. Any other word is the
// target's image. Errors wrap ErrInput.
func (s *Series) WithBase(base string) error {
	binary, isFile, err := binaryAt(base)
	if err != nil {
		return err
	}
	var cells []Cell
	for _, c := range s.Cells {
		old, head := c, c
		old.Plan = c.Plan.Clone()
		switch {
		case isFile:
			old.Binary = binary
		case c.Plan.Target.Name == "ripple":
			return fmt.Errorf("%w: --base %s is no file, and ripple has no image of its own: name an aftershock binary", failure.ErrInput, base)
		case c.Plan.Host == "local":
			return fmt.Errorf("%w: --base %s is no file, and on the local host there are no images: name a binary, or use --host docker", failure.ErrInput, base)
		default:
			old.Plan.Target.Image = base
		}
		// The image differs because it is what is compared.
		old.Settings = append(append([]results.Setting{}, c.Settings...), results.Setting{Path: SideSetting, Value: BaseSide})
		head.Settings = append(append([]results.Setting{}, c.Settings...), results.Setting{Path: SideSetting, Value: HeadSide})
		if !isFile {
			old.Settings = append(old.Settings, results.Setting{Path: "target.image", Value: base})
			head.Settings = append(head.Settings, results.Setting{Path: "target.image", Value: c.Plan.Target.Image})
		}
		cells = append(cells, old, head)
	}
	s.Cells = cells
	return nil
}

// binaryAt is the binary that a word names; it is none if there is no such file.
func binaryAt(word string) (path string, isFile bool, err error) {
	info, err := os.Stat(word)
	if err != nil && !strings.HasPrefix(word, ".") && !filepath.IsAbs(word) {
		return "", false, nil
	}
	switch {
	case err != nil:
		return "", false, fmt.Errorf("%w: --base: %w; name an aftershock binary or an image", failure.ErrInput, err)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return "", false, fmt.Errorf("%w: --base %s is no program; name an aftershock binary or an image", failure.ErrInput, word)
	}
	if path, err = filepath.Abs(word); err != nil {
		return "", false, fmt.Errorf("%w: --base: %w", failure.ErrInput, err)
	}
	return path, true, nil
}

// Sides are the groups of a series WithBase in pairs of base and head.
func Sides(groups int) [][2]int {
	var pairs [][2]int
	for i := 0; i+1 < groups; i += 2 {
		pairs = append(pairs, [2]int{i, i + 1})
	}
	return pairs
}
