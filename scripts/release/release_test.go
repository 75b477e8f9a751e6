package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func testRelease(t *testing.T) *release {
	t.Helper()
	dir := t.TempDir()
	r := &release{out: filepath.Join(dir, "dist"), version: "1.2.0+20260314.abc", archs: []string{"amd64"}, at: time.Unix(1_700_000_000, 0)}
	if err := r.empty(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.name("amd64", ""), []byte("a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPackagesAndImagesAreTheSame: made again at another time in another folder, packages
// and images have the same bytes.
func TestPackagesAndImagesAreTheSame(t *testing.T) {
	made := func() map[string]string {
		r, stage := testRelease(t), t.TempDir()
		for _, name := range []string{"usr/share/man/man1/b.1", "usr/share/man/man1/a.1"} {
			if err := r.write(filepath.Join(stage, name), []byte("a page")); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.packages(t.Context(), stage); err != nil {
			t.Fatal(err)
		}
		if err := r.images(t.Context(), stage); err != nil {
			t.Fatal(err)
		}
		files := map[string]string{}
		for _, ending := range []string{".deb", ".rpm", ".image.tar"} {
			text, err := os.ReadFile(r.name("amd64", ending))
			if err != nil {
				t.Fatal(err)
			}
			files[ending] = string(text)
		}
		return files
	}
	first := made()
	time.Sleep(1100 * time.Millisecond) // archives have times in seconds
	for ending, text := range made() {
		if text != first[ending] {
			t.Errorf("the %s differs", ending)
		}
	}
}

// TestImage: docker load finds a manifest that names a configuration and a layer, and in
// the layer the program.
func TestImage(t *testing.T) {
	r := testRelease(t)
	if err := r.image("amd64"); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(r.name("amd64", ".image.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries := map[string][]byte{}
	for reader := tar.NewReader(f); ; {
		h, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if entries[h.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
	if m := string(entries["manifest.json"]); !strings.Contains(m, `"aftershock:1.2.0_20260314.abc"`) || !strings.Contains(m, "Layers") {
		t.Errorf("the manifest is %s", m)
	}
	configured := false
	for name, text := range entries {
		configured = configured || strings.HasPrefix(name, "sha256:") && bytes.Contains(text, []byte(`"Entrypoint":["/usr/bin/aftershock"]`))
	}
	if !configured {
		t.Error("no configuration says what runs")
	}
}

func TestDiffering(t *testing.T) {
	got := differing("1  a\n2  b\n3  c\n", "1  a\n9  b\n3  c\n")
	if !slices.Equal(got, []string{"b"}) {
		t.Errorf("differing are %v", got)
	}
}

// TestEmptyKeepsWhatIsOthers: a folder that holds more than a release is left alone.
func TestEmptyKeepsWhatIsOthers(t *testing.T) {
	r := testRelease(t)
	mine := filepath.Join(r.out, "notes.txt")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.empty(); err == nil {
		t.Error("it was emptied")
	}
	if _, err := os.Stat(r.name("amd64", "")); err != nil {
		t.Error(err)
	}
}
