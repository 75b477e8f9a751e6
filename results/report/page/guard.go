package page

import (
	escaping "html"
	"strings"
)

// guarded is how every report begins, up to its policy. Nothing before the policy can run
// anything, and nothing behind it but what the policy names.
const guarded = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="`

// Guarded tells whether a stored report begins with the policy of this program's reports,
// so that whatever else it holds, no other script can run in it. Those of other versions
// are not, nor are files that only go by the name.
func Guarded(report []byte) bool {
	rest, ok := strings.CutPrefix(string(report[:min(len(report), 8<<10)]), guarded)
	policy, _, ends := strings.Cut(rest, `">`)
	if !ok || !ends {
		return false
	}
	for _, drawn := range []bool{true, false} {
		parts, err := partsOf(drawn)
		if err == nil && escaping.UnescapeString(policy) == parts.Policy() {
			return true
		}
	}
	return false
}
