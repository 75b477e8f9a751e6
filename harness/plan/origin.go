package plan

import (
	"fmt"
	"os"
	"path/filepath"
)

// Origin is where in a file a plan and its claims stand, for those who point at them.
type Origin struct {
	File   string         // as it was named, below the working directory from there; empty: the plan was read from no file
	Line   int            // of the plan's name, or of its first key
	Claims map[string]int // their lines, of those that stand in the file: one of --set does not
}

// Origin is where the plan stands. It is the zero value for one that was made in Go, or is
// shipped with the program.
func (p *Plan) Origin() Origin {
	if p.source == nil || p.source.path == "" {
		return Origin{}
	}
	o := Origin{File: p.source.path, Line: p.source.find("name").Line, Claims: map[string]int{}}
	for i, text := range p.Claims {
		if node := p.source.find(fmt.Sprintf("claims.%d", i)); node.Set == "" && node.Text == text {
			o.Claims[text] = node.Line
		}
	}
	return o
}

// origin is how a file is told to others: those below the working directory without it.
func origin(path string) string {
	if !filepath.IsAbs(path) {
		return filepath.ToSlash(filepath.Clean(path))
	}
	if here, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
	}
	return path
}
