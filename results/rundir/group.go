package rundir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/internal/wholefile"
	"github.com/aftershock-chaos/aftershock/results"
)

// The files of a group directory, which holds the directories of runs that belong
// together.
const (
	GroupFile = "group.json"
	FindFile  = "find.json" // what a search for a limit came to
)

// GroupVersion is the version of group.json; it changes when a field's meaning does.
const GroupVersion = 1

// GroupSuffix ends the name of a group directory.
const GroupSuffix = "-group"

// maxGroup bounds what is read of a group file.
const maxGroup = 64 << 20

// The states of a run of a group.
const (
	RunWaits       = "running" // it began; what became of it is not known
	RunDone        = "done"
	RunInterrupted = "interrupted"
	RunFailed      = "failed"
)

// Group is the content of group.json: which runs there are of which variant.
type Group struct {
	Version  int       `json:"version"`
	Plan     string    `json:"plan"`
	Digest   string    `json:"digest"` // of what the first variant's plan has its run do
	Seed     uint64    `json:"seed"`   // of the first round, which the others count up
	Rounds   int       `json:"rounds"` // that were asked for
	Started  time.Time `json:"started"`
	Variants []Variant `json:"variants"`
	Runs     []Member  `json:"runs"` // in the order in which they were begun

	path string
}

// Variant is one of the things that a group's runs are runs of.
type Variant struct {
	Name     string            `json:"name"`
	Settings []results.Setting `json:"settings,omitempty"`
}

// Member is one run of a group.
type Member struct {
	Dir     string         `json:"dir,omitempty"` // its directory's name inside the group's; empty: it left none
	Variant int            `json:"variant"`       // index of Group.Variants
	Round   int            `json:"round"`         // from 1
	Seed    uint64         `json:"seed"`
	State   string         `json:"state"`
	Verdict results.Answer `json:"verdict,omitempty"`
	Why     string         `json:"why,omitempty"` // it is not done
}

// CreateGroup makes a new group directory in a folder of runs. launch is random
// and the group's own, as in Create.
func CreateGroup(root string, g Group, launch string) (*Group, error) {
	g.Version = GroupVersion
	name := fmt.Sprintf("%s-%s-%d-%s%s", g.Started.Format(stampLayout), fileName(g.Plan), g.Seed, strings.ToLower(launch[:min(launchPart, len(launch))]), GroupSuffix)
	g.path = filepath.Join(root, name)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, writeError("create the folder of runs", root, err)
	}
	if err := os.Mkdir(g.path, 0o755); err != nil {
		return nil, writeError("create the group directory", g.path, err)
	}
	if err := g.Save(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(g.path))
	}
	return &g, nil
}

// Path is the group's directory.
func (g *Group) Path() string { return g.path }

// Save writes group.json in one step.
func (g *Group) Save() error { return g.Write(GroupFile, g) }

// Write writes a value as JSON into a file of the group in one step.
func (g *Group) Write(name string, v any) error {
	path := filepath.Join(g.path, name)
	err := wholefile.Replace(path, 0o644, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	})
	if err != nil {
		return writeError("write", path, err)
	}
	return nil
}

// PointLatest has the folder's link to the latest run point to one of the group.
func (g *Group) PointLatest(run string) error {
	return pointLatest(filepath.Dir(g.path), filepath.Join(filepath.Base(g.path), run))
}

// IsGroup tells whether a directory is a group's.
func IsGroup(path string) bool {
	info, err := os.Stat(filepath.Join(path, GroupFile))
	return err == nil && info.Mode().IsRegular()
}

// OpenGroup reads a group. Its errors wrap ErrRunDir.
func OpenGroup(path string) (*Group, error) {
	file := filepath.Join(path, GroupFile)
	f, err := os.Open(file)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: %s holds no %s; name a folder that `run --repeat` or find made", ErrRunDir, path, GroupFile)
		}
		return nil, openError(file, err)
	}
	defer f.Close()
	g := Group{path: path}
	if err := json.NewDecoder(io.LimitReader(f, maxGroup)).Decode(&g); err != nil {
		return nil, fmt.Errorf("%w: %s: %w; name its runs instead of the group", ErrRunDir, file, err)
	}
	if g.Version != GroupVersion {
		return nil, fmt.Errorf("%w: %s has version %d, this program knows %d; name its runs instead of the group", ErrRunDir, file, g.Version, GroupVersion)
	}
	for _, m := range g.Runs {
		if m.Variant < 0 || m.Variant >= len(g.Variants) || m.Dir != "" && (m.Dir == ".." || m.Dir != filepath.Base(m.Dir)) {
			return nil, fmt.Errorf("%w: %s names a run %q of variant %d, which it does not have; name its runs instead of the group", ErrRunDir, file, m.Dir, m.Variant)
		}
	}
	return &g, nil
}

// Verdicts reads those of a variant's runs that are done, in order of the rounds.
// Its errors wrap ErrRunDir.
func (g *Group) Verdicts(variant int) ([]*results.Verdict, error) {
	var all []*results.Verdict
	for _, m := range g.Runs {
		if m.Variant != variant || m.State != RunDone {
			continue
		}
		dir, err := Open(filepath.Join(g.path, m.Dir))
		if err != nil {
			return nil, err
		}
		v, err := dir.ReadVerdict()
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Left is how many runs of a variant are not done, and so not in Verdicts.
func (g *Group) Left(variant int) int {
	n := 0
	for _, m := range g.Runs {
		if m.Variant == variant && m.State != RunDone {
			n++
		}
	}
	return n
}
