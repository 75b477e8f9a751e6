// Package version compares the versions of servers, which each writes in its
// own way, and tells whether one is in a range such as "<11.6".
package version

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Version is a server's version, or the first parts of one: 17 stands for all
// of 17. The zero value is no version.
type Version struct{ parts []uint64 }

var (
	exact = regexp.MustCompile(`^\d{1,9}(\.\d{1,9}){0,2}$`)
	first = regexp.MustCompile(`\d{1,9}(\.\d{1,9}){0,2}`)
)

// Parse reads one to three numbers with points between them.
func Parse(text string) (Version, error) {
	if !exact.MatchString(text) {
		return Version{}, fmt.Errorf("%q is not a version: write it like 17, 3.10 or 8.0.2", text)
	}
	return find(text), nil
}

// Find reads the version out of a server's own words about it: the first
// numbers of "10.11.14-MariaDB-0+deb12u2", "PostgreSQL 17.6 (Debian …)" or
// "v3.6.16". ok is false if there are none.
func Find(text string) (v Version, ok bool) {
	v = find(text)
	return v, len(v.parts) > 0
}

func find(text string) (v Version) {
	for part := range strings.SplitSeq(first.FindString(text), ".") {
		if n, err := strconv.ParseUint(part, 10, 32); err == nil {
			v.parts = append(v.parts, n)
		}
	}
	return v
}

// String is the version as Parse reads it; empty if it is none.
func (v Version) String() string {
	words := make([]string, len(v.parts))
	for i, n := range v.parts {
		words[i] = strconv.FormatUint(n, 10)
	}
	return strings.Join(words, ".")
}

// None tells whether it is no version.
func (v Version) None() bool { return len(v.parts) == 0 }

// Part is one of its numbers, the first is 0; false: it has not so many.
func (v Version) Part(i int) (number uint64, ok bool) {
	if i < 0 || i >= len(v.parts) {
		return 0, false
	}
	return v.parts[i], true
}

// Line are its first n numbers, or fewer if it has no more.
func (v Version) Line(n int) Version { return Version{v.parts[:min(n, len(v.parts))]} }

// Compare is negative if v is older than other, positive if it is newer, and 0 if neither
// can be told: as far as both go they are the same.
func (v Version) Compare(other Version) int {
	n := min(len(v.parts), len(other.parts))
	return slices.Compare(v.parts[:n], other.parts[:n])
}

// Covers tells whether other is of the line that v names: 17 covers 17.6, and
// 3.10 covers 3.10.8, but not 3.1.
func (v Version) Covers(other Version) bool {
	if len(v.parts) > len(other.parts) {
		return false
	}
	for i, n := range v.parts {
		if other.parts[i] != n {
			return false
		}
	}
	return true
}

// end is the version with its missing parts filled in.
func (v Version) end(fill uint64) *semver.Version {
	parts := append([]uint64{}, v.parts...)
	for len(parts) < 3 {
		parts = append(parts, fill)
	}
	return semver.New(parts[0], parts[1], parts[2], "", "")
}

// Range is a set of versions. The zero value is the set of all.
type Range struct {
	text  string
	limit *semver.Constraints
}

// ParseRange reads a range: "<11.6", ">=4", ">=3.8 <4", "15 || 17". Empty text
// is the range of all versions.
func ParseRange(text string) (Range, error) {
	if text == "" {
		return Range{}, nil
	}
	limit, err := semver.NewConstraint(text)
	if err != nil {
		return Range{}, fmt.Errorf(`%q is not a range of versions: write it like "<11.6", ">=4" or ">=3.8, <4"`, text)
	}
	return Range{text, limit}, nil
}

// MustRange is ParseRange of a text that is known to be one; it panics if it
// is not.
func MustRange(text string) Range {
	r, err := ParseRange(text)
	if err != nil {
		panic(err)
	}
	return r
}

// All tells whether every version is in the range.
func (r Range) All() bool { return r.limit == nil }

// String is the range as ParseRange read it.
func (r Range) String() string { return r.text }

// Has tells whether a server's whole version is in the range.
func (r Range) Has(v Version) bool { return r.limit == nil || r.limit.Check(v.end(0)) }

// MayHave tells whether some version of the line that v names may be in the
// range: of 11 some are in "<11.6", of 12 none is.
func (r Range) MayHave(v Version) bool {
	const last = 1 << 30
	if r.Has(v) || r.limit.Check(v.end(last)) {
		return true
	}
	for _, bound := range first.FindAllString(r.text, -1) { // one may lie within the line
		if b := find(bound); len(b.parts) > len(v.parts) && v.Covers(b) {
			return true
		}
	}
	return false
}
