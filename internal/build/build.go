// Package build tells what this program was built of.
package build

import (
	"runtime/debug"
	"strings"
)

// The linker sets, in a release, what it is called and the commit that it is of.
var release, commit string

// Version is the release, if it is one, the commit that the program was built of, where
// Go recorded it, and Go's own version.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := info.Main.Version, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if commit != "" {
		revision, dirty = commit, ""
	}
	return strings.TrimSpace(release + " " + revision + dirty + " " + info.GoVersion)
}
