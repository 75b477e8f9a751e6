package site

import (
	"context"
	"errors"
	"html"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/internal/failure"
)

// TestExport: every link of every page leads to a file of the export, relatively.
func TestExport(t *testing.T) {
	f, out := sampleFolder(t), filepath.Join(t.TempDir(), "public")
	if n, err := Export(t.Context(), f, out); err != nil || n != 11 {
		t.Fatalf("%d runs, %v", n, err)
	}
	links := 0
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".html" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?:href|"link": ?|"link":)=?"([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
			link, err := url.Parse(html.UnescapeString(strings.ReplaceAll(m[1], `\u0026`, "&")))
			if err != nil || link.IsAbs() || link.Host != "" || strings.HasPrefix(link.Path, "/") {
				t.Errorf("%s links to %q", path, m[1])
				continue
			}
			if link.Path == "" {
				continue // within the page
			}
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), filepath.FromSlash(link.Path))); err != nil {
				t.Errorf("%s: the link %q leads nowhere: %v", path, m[1], err)
			}
		}
		if strings.Contains(string(text), "alert('stored')") || strings.Contains(string(text), "porcupine()") {
			t.Errorf("%s has a script that is not ours", path)
		}
		return err
	})
	if err != nil || links < 40 {
		t.Errorf("%d links, %v", links, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(out), "*")); len(left) != 1 {
		t.Errorf("beside it are %v", left)
	}
}

// TestExportBesideItsRuns: an export in the folder of runs is none of them.
func TestExportBesideItsRuns(t *testing.T) {
	root := t.TempDir()
	made(t, root, "runs/a-1", "holds", nil)
	for range 2 {
		f, err := Open(filepath.Join(root, "runs"), 0)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := Export(t.Context(), f, filepath.Join(root, "runs", "public")); err != nil || n != 1 {
			t.Errorf("%d runs, %v", n, err)
		}
	}
}

// TestExportReplacesOnlyExports, as a whole.
func TestExportReplacesOnlyExports(t *testing.T) {
	root := t.TempDir()
	made(t, root, "runs/a-1", "holds", nil)
	f, err := Open(filepath.Join(root, "runs"), 0)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "theirs", "letter"), "mine")
	write(t, filepath.Join(root, "file"), "mine")
	if err := errors.Join(os.Mkdir(filepath.Join(root, "empty"), 0o755), os.Symlink("theirs", filepath.Join(root, "link"))); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"theirs": "holds something else", "file": "is no folder", "link": "is no folder", "runs": "holds the runs", ".": "holds the runs", "no/where": "there is no folder"} {
		if _, err := Export(t.Context(), f, filepath.Join(root, name)); !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(root, "theirs", "letter")); err != nil || string(text) != "mine" {
		t.Errorf("a folder that is not ours was changed: %q, %v", text, err)
	}
	out := filepath.Join(root, "empty")
	if _, err := Export(t.Context(), f, out); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(out, "run", "gone", "report.html"), "of before")
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Export(interrupted, f, out); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := os.Stat(filepath.Join(out, "run", "gone", "report.html")); err != nil {
		t.Errorf("an export that was interrupted took the old one away: %v", err)
	}
	if _, err := Export(t.Context(), f, out); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(out, "run", "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("what the runs have not got any more is still there")
	}
	if hidden, _ := filepath.Glob(filepath.Join(root, ".*-*")); len(hidden) > 0 {
		t.Errorf("left are %v", hidden)
	}
}
