package harness

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/aftershock-chaos/aftershock/harness/plan"
)

var updateReference = flag.Bool("update-reference", false, "write schema/plan.json and docs/plan.md")

const (
	shippedSchema    = "../schema/plan.json"
	shippedReference = "../docs/plan.md"
)

// TestShippedSchema holds the files that are made from the tables to them.
// They are written with: go test -run TestShippedSchema -update-reference ./harness
func TestShippedSchema(t *testing.T) {
	text, err := json.MarshalIndent(plan.JSONSchema(Words()), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, shippedSchema, append(text, '\n'))
	var b bytes.Buffer
	if err := plan.WriteMarkdown(&b, plan.Reference(Words())); err != nil {
		t.Fatal(err)
	}
	wantFile(t, shippedReference, b.Bytes())
}

func wantFile(t *testing.T, path string, want []byte) {
	t.Helper()
	if *updateReference {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the tables of keys say; run `make reference`", path)
	}
}
