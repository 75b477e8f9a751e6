package wholefile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func contents(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v, want %q", path, got, err, want)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// TestReplaceDoesNotFollow: a link in a folder of which not all can be trusted
// is replaced, and what it leads to stays as it is.
func TestReplaceDoesNotFollow(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	path := filepath.Join(dir, "file")
	if err := errors.Join(os.WriteFile(elsewhere, []byte("old"), 0o600), os.Symlink(elsewhere, path)); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, 0o644, text("new")); err != nil {
		t.Fatal(err)
	}
	contents(t, path, "new")
	contents(t, elsewhere, "old")
	if info, err := os.Lstat(path); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestNothingShowsBeforeTheEnd: while the contents are written they have no
// name, and after an error the old ones are there alone.
func TestNothingShowsBeforeTheEnd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := Write(path, 0o644, text("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := Write(path, 0o644, func(w io.Writer) error {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			return err
		}
		if list := names(t, dir); len(list) != 1 {
			t.Errorf("while it is written there are %v", list)
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	contents(t, path, "old")
	if list := names(t, dir); len(list) != 1 {
		t.Errorf("left behind: %v", list)
	}
}

// TestNamedContents is for file systems on which every file has a name.
func TestNamedContents(t *testing.T) {
	dir := t.TempDir()
	for _, whole := range []bool{true, false} {
		f, err := os.CreateTemp(dir, ".file-*")
		if err != nil {
			t.Fatal(err)
		}
		named := &file{File: f, folder: dir, base: "file", name: f.Name()}
		path := filepath.Join(dir, "file")
		if whole {
			err = named.publish(path)
		} else {
			err = named.discard()
		}
		if list := names(t, dir); err != nil || len(list) != 1 || list[0] != "file" {
			t.Errorf("whole=%v: %v, %v", whole, list, err)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/dev/null", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, link, "/dev/null", filepath.Join(dir, "none") + "/"} {
		called := false
		err := Write(path, 0o644, func(io.Writer) error { called = true; return nil })
		if !errors.Is(err, ErrNotRegular) || called {
			t.Errorf("%s: %v", path, err)
		}
	}
	closed := filepath.Join(dir, "closed")
	if err := os.WriteFile(closed, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := Write(closed, 0o644, text("new")); os.Geteuid() != 0 && !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a file that may not be written: %v", err)
	}
}
