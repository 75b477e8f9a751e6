package rundir

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// NodeLogs reads what the nodes' servers wrote, by node: of each node its files of
// nodes/<node> that end with .log, together no more than so many bytes, the last of each.
// A run without the folder has none. Errors name the path.
func (d *Dir) NodeLogs(most int64) (map[string][]byte, error) {
	paths, err := filepath.Glob(filepath.Join(globbed(d.path), NodesDir, "*", "*.log"))
	if err != nil {
		return nil, fmt.Errorf("look for the nodes' logs in %s: %w", d.path, err)
	}
	slices.Sort(paths)
	files := map[string]int64{}
	for _, path := range paths {
		files[filepath.Base(filepath.Dir(path))]++
	}
	logs := map[string][]byte{}
	for _, path := range paths {
		node := filepath.Base(filepath.Dir(path))
		text, err := tail(path, most/files[node])
		if err != nil {
			return nil, openError(path, err)
		}
		logs[node] = append(logs[node], text...)
	}
	return logs, nil
}

// globbed is a path in which no character means others.
func globbed(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// tail is the end of a regular file, from the beginning of a line on; nothing of another.
func tail(path string, most int64) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	from := max(info.Size()-most, 0)
	text, err := io.ReadAll(io.NewSectionReader(f, from, most))
	if err != nil {
		return nil, err
	}
	if from > 0 {
		_, rest, _ := strings.Cut(string(text), "\n")
		text = []byte(rest)
	}
	return text, nil
}
