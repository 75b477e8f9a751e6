package results

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

// ruling are the classes of transactions, which levels of isolation rule out:
// Isolation tells which.
var ruling = []checkers.Class{checkers.G0, checkers.G1a, checkers.G1b, checkers.G1c, checkers.GSingle, checkers.GNonadjacent, checkers.G2,
	checkers.InternalRead, checkers.DirtyUpdate, checkers.IncompatibleOrder, checkers.PhantomElement}

// TestEveryFindingIsSomeFacts: each class of findings is evidence for some fact,
// and all names in the table are those of facts.
func TestEveryFindingIsSomeFacts(t *testing.T) {
	var told []checkers.Class
	for name, classes := range refuting {
		told = append(told, classes...)
		if !slices.ContainsFunc(claims.Facts(), func(f checkers.Fact) bool {
			return f.Name == name || len(f.Name) > len(name) && f.Name[:len(name)+1] == name+"."
		}) {
			t.Errorf("there is no fact %s", name)
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), "../checkers/findings.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	classes := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		classes++
		if class := checkers.Class(text); !slices.Contains(told, class) && !slices.Contains(ruling, class) {
			t.Errorf("no fact counts the findings %s", class)
		}
		return true
	})
	if classes < 35 {
		t.Errorf("only %d classes were found", classes)
	}
}
