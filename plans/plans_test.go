package plans

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestEveryFileIsShipped: also one of a new folder.
func TestEveryFileIsShipped(t *testing.T) {
	names := Names()
	if !slices.IsSorted(names) {
		t.Errorf("%v is not sorted", names)
	}
	found := 0
	err := filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != extension {
			return err
		}
		found++
		want, err := os.ReadFile(path)
		if got, ok := Read(path); !ok || string(got) != string(want) {
			t.Errorf("%s is not embedded", path)
		}
		return err
	})
	if err != nil || found != len(names) || found == 0 {
		t.Errorf("%d names for %d files (%v)", len(names), found, err)
	}
}

func TestRead(t *testing.T) {
	for name, want := range map[string]bool{
		"quickstart": true, "quickstart.yaml": true, "plans/quickstart": true, "./plans/quickstart.yaml": true, "postgres/kill": true,
		"": false, "postgres": false, "kill": false, "../plans/quickstart": false, "/quickstart": false, "plans.go": false,
	} {
		if _, ok := Read(name); ok != want {
			t.Errorf("%q is there: %v", name, ok)
		}
	}
}
