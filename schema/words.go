package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Values says in a few words what a key's value can be.
func (f Field) Values() string {
	switch {
	case f.Type == Map && f.Short != "":
		return "map, or its " + f.Short
	case f.Type == Map && len(f.Fields) > 0:
		return "map"
	case f.Type == Map && len(f.Words) > 0:
		return "map of " + strings.Join(f.Words, ", ") + " to 0 or more"
	case f.Type == List:
		return fmt.Sprintf("list of up to %.0f", f.Max)
	case f.Type == Rate && len(f.Words) > 0:
		return kinds[f.Type] + ", " + f.Span() + ", or " + strings.Join(f.Words, ", ")
	case len(f.Words) > 0 && f.Names:
		return strings.Join(f.Words, ", ") + ", or a node such as n2"
	case len(f.Words) > 0:
		return strings.Join(f.Words, ", ")
	case f.Span() != "":
		return strings.TrimSpace(kinds[f.Type]+" "+f.Unit) + ", " + f.Span()
	}
	return kinds[f.Type]
}

// kinds are the types in words.
var kinds = map[Type]string{Text: "text", Name: "name of a-z, 0-9 and -", Word: "word", Whole: "whole number",
	Duration: "duration", Rate: "rate", Flag: "true or false", Size: "size", Bandwidth: "bandwidth", Percent: "percentage", Number: "number", Map: "map", List: "list"}

// Told is the field's one line, with an example where that is no default.
func (f Field) Told() string {
	if f.Example == "" {
		return f.Meaning
	}
	return f.Meaning + ", e.g. `" + f.Example + "`"
}

// LeftOut says what holds without the key.
func (f Field) LeftOut() string {
	switch {
	case f.Required:
		return "required"
	case f.Either:
		return "another of these"
	case f.Short != "" && f.Absent == "":
		return f.Fields[slices.IndexFunc(f.Fields, func(one Field) bool { return one.Name == f.Short })].LeftOut()
	case f.Type == Map && len(f.Fields) > 0:
		return "its keys' defaults"
	}
	return f.Assumed()
}
