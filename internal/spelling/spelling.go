// Package spelling finds the known word that a misspelt one stands for.
package spelling

import (
	"fmt"
	"strings"
)

// maxSuggest bounds the runes of a word that suggestions are looked for.
const maxSuggest = 64

// DidYouMean is `did you mean "word"?` with the nearest known word, or the
// list of all known words when none is near.
func DidYouMean(word string, known []string) string {
	if near, ok := Nearest(word, known); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(known) == 1 {
		return "it can only be " + known[0]
	}
	return "known are " + strings.Join(known, ", ")
}

// minPrefix is the least length of a word that stands for a longer one.
const minPrefix = 3

// Nearest finds the known word with the least distance to word, the first one
// of equals. A word is near when at most a third of it, and one letter in any
// case, has to change. A word near to none stands for the one that it begins.
func Nearest(word string, known []string) (string, bool) {
	w := []rune(strings.ToLower(word))
	if len(w) == 0 || len(w) > maxSuggest {
		return "", false
	}
	best, least := "", -1
	for _, k := range known {
		candidate := []rune(strings.ToLower(k))
		d := distance(w, candidate)
		if limit := max(1, (max(len(w), len(candidate))+1)/3); d <= limit && (least < 0 || d < least) {
			best, least = k, d
		}
	}
	if least < 0 && len(w) >= minPrefix {
		for _, k := range known {
			if strings.HasPrefix(k, strings.ToLower(word)) {
				return k, true
			}
		}
	}
	return best, least >= 0
}

// distance is the optimal string alignment distance: insertions, deletions,
// substitutions and swaps of neighbours, each of cost one and no part edited
// twice (Damerau 1964, Levenshtein 1966). Three rows of the usual table are
// enough, since a swap looks back two rows.
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
