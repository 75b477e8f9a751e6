package say

import (
	"strings"

	"github.com/aftershock-chaos/aftershock/results"
)

// Again is the command that makes the run again, with its seed and the schedule that was
// executed; empty for a history that is no run of ours.
func Again(v *results.Verdict) string {
	if v.Dir == "" {
		return ""
	}
	return "aftershock run --replay " + Quoted(v.Dir)
}

// Quoted is a word as a shell takes it for itself.
func Quoted(word string) string {
	if word != "" && strings.IndexFunc(word, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_./:=,+@", c)
	}) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
