package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// TestYAMLBounds: input that would make the parser recurse without end, take
// quadratic time or grow by aliases is refused for what it is.
func TestYAMLBounds(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	var stairs strings.Builder
	for i := range 400 {
		stairs.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	tests := map[string]struct{ text, want string }{
		"alias bomb":                {bomb, "more than 20000 values, counting each use of an alias"},
		"brackets":                  {strings.Repeat("[", yamltree.MaxTokens+1), "the file has more than 20000 words"},
		"some brackets":             {strings.Repeat("[", 5000), "nested deeper than 32 levels"},
		"braces":                    {strings.Repeat("{a: ", 5000), "nested deeper than 32 levels"},
		"dashes":                    {strings.Repeat("- ", 5000), "nested deeper than 32 levels"},
		"questions":                 {strings.Repeat("? ", 5000), "nested deeper than 32 levels"},
		"anchors":                   {strings.Repeat("&a ", 5000), "nested deeper than 32 levels"},
		"tags":                      {strings.Repeat("!a ", 5000), "nested deeper than 32 levels"},
		"stairs":                    {stairs.String(), "nested deeper than 32 levels"},
		"keys":                      {strings.Repeat("a: 1\n", yamltree.MaxTokens/3+1), "the file has more than 20000 words"},
		"documents":                 {strings.Repeat("---\na: 1\n", yamltree.MaxTokens/4+1), "the file has more than 20000 words"},
		"not text":                  {"a: 1\nab\xffc: 2\n", "x.yaml:2:3: the file is not UTF-8 text"},
		"alias in its own":          {"a: &a [*a]\n", "alias *a has no anchor &a before it"},
		"alias of another document": {"a: &a 1\n---\nb: *a\n", "x.yaml:3:4: alias *a has no anchor &a before it in this document"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(tt.text), nil, planWords())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestEmptyDocumentHidesNothing: the library's parser forgets the documents
// after an empty one.
func TestEmptyDocumentHidesNothing(t *testing.T) {
	plans, err := Parse("x.yaml", []byte("# first\n---\n---\n---\n"+smallPlan+"---\n"), nil, planWords())
	if err != nil || len(plans) != 1 {
		t.Errorf("%d plans, %v", len(plans), err)
	}
}

func TestSnippet(t *testing.T) {
	long := strings.Repeat("a", 300)
	tests := []struct {
		name, line string
		column     int
		want       string
	}{
		{"plain", "  key: 1", 3, "     1 |   key: 1\n       |   ^"},
		{"tab and control", "\tkey\x1b[31m: 1", 2, "     1 |  key\uFFFD[31m: 1\n       |  ^"},
		{"beyond the end", "a", 9, "     1 | a\n       |  ^"},
		{"letters of several bytes", "ключ: 1", 7, "     1 | ключ: 1\n       |       ^"},
		{"long", long + "b" + long, 301, "     1 | …" + strings.Repeat("a", 49) + "b" + strings.Repeat("a", 48) + "…\n       | " + strings.Repeat(" ", 50) + "^"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := spelling.Snippet([]string{tt.line}, 1, tt.column); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
	if got := spelling.Snippet([]string{"a"}, 2, 1) + spelling.Snippet(nil, 0, 0); got != "" {
		t.Errorf("a line that is not there shows as %q", got)
	}
}

// TestPositions: after whatever stands before it, a mistake is shown where it
// is.
func TestPositions(t *testing.T) {
	before := map[string]string{
		"nothing":           "",
		"comments":          "# a\n\n   # b: c\n",
		"carriage returns":  "about: a\r\nseed: 4\r\n\r\n",
		"old line ends":     "about: a\rseed: 4\r",
		"mark":              "\xef\xbb\xbfabout: a\n",
		"literal":           "about: |\n  a\n\n    b\n  c\n\n",
		"folded":            "about: >-\n  a\n  b\n",
		"double quotes":     "about: \"a\n  b\n\n  c\"\n",
		"single quotes":     "about: 'a\n  b ''c'\n",
		"plain over lines":  "about: a\n  b\n  c\n",
		"flow over lines":   "gates: {\n  min_ops: 3\n}\n",
		"far letters":       "about: ключ — 鍵 🔑 # 🔑\n",
		"another document":  smallPlan + "---\n",
		"marked document":   smallPlan + "...\n--- # 2\n",
		"trailing spaces":   "about: a   \nseed: 4\t\n",
		"explicit key":      "? about\n: a\n",
		"an empty document": "---\n---\n",
	}
	for name, text := range before {
		for _, wrong := range []string{"wrnog: 1", "target: {name: postgres, wrnog: 1}", "workloads:\n  - name: register\n    wrnog: 1", "timeouts:\n    wrnog: 1"} {
			whole := text + wrong + "\n"
			_, err := Parse("x.yaml", []byte(whole), nil, planWords())
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("%s: %v", name, err)
				continue
			}
			lines := strings.Split(string(yamltree.UnixText([]byte(whole))), "\n")
			if e.Line < 1 || e.Line > len(lines) || e.Column < 1 || !strings.HasPrefix(string([]rune(lines[e.Line-1])[e.Column-1:]), "wrnog") {
				t.Errorf("%s, %q: shown at %d:%d\n%v", name, wrong, e.Line, e.Column, err)
			}
		}
	}
}
