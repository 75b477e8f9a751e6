package spelling

import (
	"fmt"
	"strings"
)

// Snippet shows a line of source with a caret under the column. A long line is
// cut to the part around the column; what cannot be printed becomes one
// printable rune, so that the caret stays where it belongs.
func Snippet(lines []string, line, column int) string {
	if line < 1 || line > len(lines) || column < 1 {
		return ""
	}
	text, caret := Window(Printable(lines[line-1]), column-1)
	number := fmt.Sprintf("%6d", line)
	return fmt.Sprintf("%s | %s\n%s | %s^",
		number, strings.TrimRight(string(text), " "), strings.Repeat(" ", len(number)), strings.Repeat(" ", caret))
}
