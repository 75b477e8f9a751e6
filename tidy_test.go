package aftershock_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The bounds of what one person can hold in mind.
const (
	mostFiles    = 25    // source files of a package
	mostLines    = 4_000 // lines of a package
	mostOfFile   = 400   // lines
	mostOfMethod = 70    // lines of a function
)

// TestTidy: no package, file or function outgrows its bounds.
func TestTidy(t *testing.T) {
	type size struct{ files, lines int }
	packages := map[string]size{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			if d != nil && d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || path == "bin" || path == "runs") {
				return filepath.SkipDir
			}
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		lines := strings.Count(string(text), "\n")
		if lines > mostOfFile {
			t.Errorf("%s has %d lines, more than %d: split it by idea", path, lines, mostOfFile)
		}
		p := packages[filepath.Dir(path)]
		packages[filepath.Dir(path)] = size{p.files + 1, p.lines + lines}
		file, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				if n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1; n > mostOfMethod {
					t.Errorf("%s: %s has %d lines, more than %d", path, f.Name.Name, n, mostOfMethod)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range packages {
		if (p.files > mostFiles || p.lines > mostLines) && !strings.HasPrefix(name, "targets/") {
			t.Errorf("package %s has %d files and %d lines; at most %d and %d", name, p.files, p.lines, mostFiles, mostLines)
		}
	}
}

// TestEveryPackageIsExplained: each package says in a comment what it is.
func TestEveryPackageIsExplained(t *testing.T) {
	explained := map[string]bool{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(fset, path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir := filepath.Dir(path)
		explained[dir] = explained[dir] || file.Doc != nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, ok := range explained {
		if !ok {
			t.Errorf("package %s has no comment that says what it is", dir)
		}
	}
}
