package main

import (
	"path/filepath"
	"testing"
)

// TestListsApply holds the lists against the code as it is now: what moved on is
// told here, and not only when all mutants are tried.
func TestListsApply(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	lists, err := filepath.Glob(everyList)
	if err != nil || len(lists) == 0 {
		t.Fatalf("no lists: %v", err)
	}
	mutants, err := read(lists)
	if err != nil {
		t.Fatal(err)
	}
	for file, all := range byFile(mutants) {
		applied(file, all)
	}
	for _, m := range mutants {
		if m.unfit != "" {
			t.Errorf("%s:%d %s (%s): %s", m.list, m.line, m.why, m.file, m.unfit)
		}
	}
}
