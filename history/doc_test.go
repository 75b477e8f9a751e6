package history

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestColumnsAreDocumented holds the table of docs/history.md to the schema.
func TestColumnsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/history.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| column | type | unit | meaning |\n|---|---|---|---|\n")
	for i := range fields {
		f := &fields[i]
		unit, _ := f.Metadata.GetValue(metaUnit)
		meaning, _ := f.Metadata.GetValue(metaMeaning)
		kind := f.Type.Name()
		switch kind {
		case "dictionary":
			kind = "word"
		case "list":
			kind = "list of int64"
		}
		if f.Nullable {
			kind += ", or null"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", f.Name, kind, unit, meaning)
	}
	if !strings.Contains(string(text), table.String()) {
		t.Errorf("docs/history.md lacks this table:\n%s", table.String())
	}
	for _, words := range [][]string{kindNames[:], outcomeNames[:], errorNames[1:]} {
		if list := "`" + strings.Join(words, "`, `") + "`"; !strings.Contains(string(text), list) {
			t.Errorf("docs/history.md lacks the words %s", list)
		}
	}
}
