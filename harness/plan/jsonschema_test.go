package plan

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/rogpeppe/go-internal/txtar"
)

const (
	shippedSchema    = "../../schema/plan.json"
	shippedReference = "../../docs/plan.md"
)

func resolved(t *testing.T, words Words) *jsonschema.Resolved {
	t.Helper()
	text, err := json.Marshal(JSONSchema(words))
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fits checks a file's documents against the schema.
func fits(r *jsonschema.Resolved, text string) error {
	for document := range strings.SplitSeq("\n"+text, "\n---") {
		data, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			return err
		}
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			return err
		}
		if err := r.Validate(v); v != nil && err != nil {
			return err
		}
	}
	return nil
}

func TestSchemaTakesShippedPlans(t *testing.T) {
	r := resolved(t, AnyHost())
	err := filepath.WalkDir("../../plans", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := fits(r, string(text)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		rel, err := filepath.Rel(filepath.Dir(path), shippedSchema)
		if first, _, _ := strings.Cut(string(text), "\n"); first != "# yaml-language-server: $schema="+filepath.ToSlash(rel) {
			t.Errorf("%s: the first line does not tell editors where %s is", path, rel)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// meant are the bad plans that are wrong in what they mean, or before there is
// a document to look at; the schema refuses all others.
var meant = map[string]bool{"option-configure": true, "kinds": true, "claims": true, "claims-constant": true, "claims-no-register": true, "claims-told-lag": true,
	"two-names": true, "numbers": true, "value-meaning": true, "value-target": true, "empty": true, "only-comments": true, "tag": true, "vary-values": true, "vary-meaning": true, "vary-many": true,
	"real-names": true, "cpus-of-others": true, "real-memory": true, "real-flip": true, "versions": true, "versions-number": true, "versions-not-about": true, "versions-none": true, "versions-vary": true, "versions-of-no-upgrader": true, "upgrade-for": true,
	"load-contradicts-duration": true, "load-of-a-workload-contradicts-another": true, "load-phase-impossible": true, "load-phases-of-one-name": true,
	"load-closed-ramp": true, "load-beside-rate": true, "load-for-nobody": true, "load-phase-at-two-times": true, "catch-up-without-backlog": true,
	"too-many-clients-in-all": true, "claim-of-an-unknown-phase": true, "pipeline-of-a-target-that-has-none": true, "pipeline-of-two-requests": true, "pipeline-of-too-many": true,
	"vary-unknown": true, "zip-unequal": true, "zip-unknown": true, "find-no-claim": true, "find-order": true, "find-no-load": true, "find-shares": true, "find-no-lag": true,
	"study-without-sentence": true, "study-not-varied": true, "study-at": true, "wan": true, "task-unknown": true, "drivers": true, "drivers-place": true, "drivers-all-lost": true,
	"attach-pods-none": true, "attach-pods-two-ways": true, "attach-pods-uncounted": true, "attach-pods-counted-twice": true, "attach-pods-hostile-names": true,
	"attach-pods-selector": true, "attach-pods-and-compose": true}

func TestSchemaRefusesBadPlans(t *testing.T) {
	archive, err := txtar.ParseFile(badPlans)
	if err != nil {
		t.Fatal(err)
	}
	r := resolved(t, planWords())
	for _, file := range archive.Files {
		name, isPlan := strings.CutSuffix(file.Name, ".yaml")
		if !isPlan || strings.HasPrefix(string(file.Data), "# set:") {
			continue // what --set says is no editor's to see
		}
		if err := fits(r, string(file.Data)); (err == nil) != meant[name] {
			t.Errorf("%s: %v", name, err)
		}
	}
}
