package web

import (
	"html"
	"strings"
)

// guarded is how every page begins, up to its policy. Nothing before the policy can run
// anything, and nothing behind it but what the policy names.
const guarded = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="`

// Guards tells whether a stored page begins with the policy of these parts, so that
// whatever else it holds, no other script can run in it. Pages of other versions do not,
// nor do files that only go by the name.
func (p *Parts) Guards(page []byte) bool {
	rest, ok := strings.CutPrefix(string(page[:min(len(page), 8<<10)]), guarded)
	policy, _, ends := strings.Cut(rest, `">`)
	return ok && ends && html.UnescapeString(policy) == p.Policy()
}
