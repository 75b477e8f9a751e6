package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/results"
)

// Stored is a run's directory, or that of a group of runs, in a folder of runs.
type Stored struct {
	Path    string
	Group   bool
	Started time.Time
	Bytes   int64 // of its files
	// Found says what it found: a claim that is violated, a finding. Empty: nothing.
	Found string
	// Unread says why it is not known what it found, so that it is not to be removed
	// without being named: its verdict is missing or cannot be read.
	Unread string
}

// List lists the runs and groups of a folder, the newest first. What is neither is
// left out. The error is of the folder itself.
func List(root string) ([]Stored, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRunDir, err)
	}
	var list []Stored
	for _, e := range entries {
		if !e.IsDir() { // latest is a link to one of the others
			continue
		}
		if s, ok := Look(filepath.Join(root, e.Name())); ok {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b Stored) int { return b.Started.Compare(a.Started) })
	return list, nil
}

// Look looks at one directory; false if it is neither a run's nor a group's.
func Look(path string) (Stored, bool) {
	s := Stored{Path: path}
	if IsGroup(path) {
		s.Group = true
		s.ofGroup()
	} else if d, err := Open(path); err == nil {
		s.Path = d.Path()
		s.ofRun(d)
	} else {
		return s, false
	}
	s.Bytes = sizeOf(path)
	return s, true
}

func (s *Stored) ofRun(d *Dir) {
	v, err := d.ReadVerdict()
	if err != nil {
		s.Unread, s.Started = err.Error(), startedBy(d.Path())
		return
	}
	s.Started, s.Found = v.Started, foundBy(v)
}

func (s *Stored) ofGroup() {
	g, err := OpenGroup(s.Path)
	if err != nil {
		s.Unread, s.Started = err.Error(), startedBy(s.Path)
		return
	}
	s.Started = g.Started
	for variant := range g.Variants {
		verdicts, err := g.Verdicts(variant)
		if err != nil {
			s.Unread = err.Error()
			return
		}
		for _, v := range verdicts {
			if s.Found = foundBy(v); s.Found != "" {
				return
			}
		}
	}
}

// startedBy is when a run began by its directory's name, or when the directory was
// changed last.
func startedBy(path string) time.Time {
	stamp, _, _ := strings.Cut(filepath.Base(path), "-")
	if at, err := time.Parse(stampLayout, stamp); err == nil {
		return at
	}
	if info, err := os.Stat(path); err == nil {
		return info.ModTime()
	}
	return time.Time{}
}

// foundBy is what a run found, in a few words.
func foundBy(v *results.Verdict) string {
	for _, c := range v.Claims {
		if c.Answer == results.Violated {
			return "violated " + c.Claim
		}
	}
	if len(v.Findings) > 0 {
		return "found " + string(v.Findings[0].Class)
	}
	return ""
}

func sizeOf(path string) (bytes int64) {
	_ = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // what cannot be read is not counted
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}

// Keep says which runs stay.
type Keep struct {
	Newest int           // so many of the newest stay
	Within time.Duration // and those that began within this time before Now
	Now    time.Time
}

// Superfluous are those of a list of List that may go: they are neither among the newest
// nor young, found nothing, and it is known that they did not.
func Superfluous(list []Stored, k Keep) []Stored {
	var old []Stored
	for i, s := range list {
		if i >= k.Newest && k.Now.Sub(s.Started) >= k.Within && s.Found == "" && s.Unread == "" {
			old = append(old, s)
		}
	}
	return old
}

// Remove removes a run's or a group's directory, and the link to the latest if it
// leads there.
func (s Stored) Remove() error {
	root, name := filepath.Split(s.Path)
	link := filepath.Join(root, LatestLink)
	if to, err := os.Readlink(link); err == nil && (to == name || strings.HasPrefix(to, name+string(filepath.Separator))) {
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the link to %s: %w", s.Path, err)
		}
	}
	if err := os.RemoveAll(s.Path); err != nil {
		return fmt.Errorf("remove %s: %w", s.Path, err)
	}
	return nil
}
