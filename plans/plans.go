// Package plans holds the plans that Aftershock is shipped with: what each
// system promises, or the edge of the promise, and a plan for each deliberate
// defect of the built-in store.
package plans

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed *.yaml */*.yaml */*/*.yaml
var files embed.FS

const extension = ".yaml"

// Names lists the plan files without their extension, sorted: "postgres/kill",
// "quickstart".
func Names() []string {
	var names []string
	_ = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, _ error) error { // nothing fails in memory
		if !entry.IsDir() {
			names = append(names, strings.TrimSuffix(name, extension))
		}
		return nil
	})
	slices.Sort(names) // not the order of the walk: "double-apply" is before "double-apply-queue"
	return names
}

// Read is a plan file. Its name may have the extension, and the folder's name
// in front: "plans/quickstart.yaml" is "quickstart".
func Read(name string) (text []byte, ok bool) {
	name = strings.TrimPrefix(path.Clean(name), "plans/")
	text, err := files.ReadFile(strings.TrimSuffix(name, extension) + extension)
	return text, err == nil
}
