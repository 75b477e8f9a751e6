package spelling

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

// maxShown bounds the runes of a text that a message shows.
const maxShown = 100

// Short keeps a text that somebody wrote on one line of a message.
func Short(s string) string {
	runes, _ := Window(Printable(s), 0)
	return string(runes)
}

// Window cuts a text to maxShown runes around at and returns where at is in it.
func Window(text []rune, at int) ([]rune, int) {
	at = min(at, len(text))
	if len(text) <= maxShown {
		return text, at
	}
	from := max(0, min(at-maxShown/2, len(text)-maxShown))
	cut := slices.Clone(text[from : from+maxShown])
	if from > 0 {
		cut[0] = '…'
	}
	if from+maxShown < len(text) {
		cut[len(cut)-1] = '…'
	}
	return cut, at - from
}

// Printable is a text's runes with those replaced that could not be shown, one
// for one.
func Printable(s string) []rune {
	runes := make([]rune, 0, len(s))
	for _, r := range s {
		switch {
		case r == '\t':
			r = ' '
		case !unicode.IsGraphic(r):
			r = utf8.RuneError
		}
		runes = append(runes, r)
	}
	return runes
}
