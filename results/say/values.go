package say

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/aftershock-chaos/aftershock/history"
)

// firstWrite is the least value that a client of ours writes. Worker w writes
// (w+1)<<40+1, +2, …: a value tells who wrote it (see workloads).
const firstWrite = int64(1) << 40

// mostClients bounds the clients of a workload; a greater number is no value of theirs.
const mostClients = 1 << 16

// Value is a value in words: "client 5, write 234" for one that a client of ours made,
// nil as nil, any other as its number. Of a history from elsewhere no number is a
// client's: foreign says so.
func Value(v int64, foreign bool) string {
	client, write := v>>40, v&(firstWrite-1)
	switch {
	case v == history.Nil:
		return "nil"
	case v == history.Torn:
		return "torn"
	case foreign || v < firstWrite || client > mostClients:
		return strconv.FormatInt(v, 10)
	}
	return fmt.Sprintf("client %d, write %d", client, write)
}

// Part is a piece of a text; Value says that it is a value in words.
type Part struct {
	Text  string
	Value bool
}

// long are numbers that may be a client's value.
var long = regexp.MustCompile(`\b[0-9]{13,18}\b`)

// Parts takes a text apart so that values can be shown in words in place of numbers of
// 13 digits.
func Parts(text string, foreign bool) []Part {
	if foreign {
		return []Part{{Text: text}}
	}
	var parts []Part
	last := 0
	for _, at := range long.FindAllStringIndex(text, -1) {
		v, err := strconv.ParseInt(text[at[0]:at[1]], 10, 64)
		words := Value(v, false)
		if err != nil || words == text[at[0]:at[1]] {
			continue
		}
		if at[0] > last {
			parts = append(parts, Part{Text: text[last:at[0]]})
		}
		parts, last = append(parts, Part{words, true}), at[1]
	}
	if last < len(text) {
		parts = append(parts, Part{Text: text[last:]})
	}
	return parts
}
