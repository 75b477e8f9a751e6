package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/aftershock-chaos/aftershock/results"
)

var updateReference = flag.Bool("update-reference", false, "write schema/verdict.json and schema/report.json")

const schemas = "../../schema/"

// TestSchemas holds the published schemas of verdict.json and of --format json to the
// types that are written. They are open: a later program may write more. They are
// written with: go test -run TestSchemas -update-reference ./results/report
func TestSchemas(t *testing.T) {
	for name, s := range map[string]*jsonschema.Schema{"verdict.json": verdictSchema(t), "report.json": reportSchema(t)} {
		open(s)
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, '\n')
		if *updateReference {
			if err := os.WriteFile(schemas+name, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(schemas + name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, text) {
			t.Errorf("schema/%s is not what the program writes; run `make reference`, and where a field's meaning changed raise VerdictVersion", name)
		}
	}
}

// TestReportsSatisfySchemas: what is written has no field that the schema lacks, and what
// is no report is refused.
func TestReportsSatisfySchemas(t *testing.T) {
	s, err := reportSchema(t).Resolve(&jsonschema.ResolveOptions{BaseURI: "file:///schema/report.json", Loader: func(*url.URL) (*jsonschema.Schema, error) { return verdictSchema(t), nil }})
	if err != nil {
		t.Fatal(err)
	}
	written := func(v *results.Verdict) map[string]any {
		var b bytes.Buffer
		if err := JSON(&b, v); err != nil {
			t.Fatal(err)
		}
		var document map[string]any
		if err := json.Unmarshal(b.Bytes(), &document); err != nil {
			t.Fatal(err)
		}
		return document
	}
	for _, v := range []*results.Verdict{sampleVerdict(t), hostileVerdict(t), crowded(t), {Version: 1, Verdict: results.Holds}} {
		if err := s.Validate(written(v)); err != nil {
			t.Error(err)
		}
	}
	for path, value := range map[string]any{"verdict": "perhaps", "version": 2., "runs.0.verdict": "fine", "runs.0.more": 1., "runs.0.claims.0.line": "x", "runs.0.plan.seed": nil, "runs.0.course.step_ns": "1s"} {
		document := written(sampleVerdict(t))
		put(document, strings.Split(path, "."), value)
		if s.Validate(document) == nil {
			t.Errorf("%s = %v satisfies the schema", path, value)
		}
	}
}

// put sets a value deep in a document.
func put(at any, path []string, value any) {
	switch at := at.(type) {
	case []any:
		put(at[0], path[1:], value)
	case map[string]any:
		if len(path) == 1 {
			at[path[0]] = value
			return
		}
		put(at[path[0]], path[1:], value)
	}
}

func verdictSchema(t *testing.T) *jsonschema.Schema {
	s := schemaFor[results.Verdict](t)
	s.Title = fmt.Sprintf("verdict.json of an Aftershock run, version %d", results.VerdictVersion)
	s.Properties["version"].Const = constant(results.VerdictVersion)
	return s
}

func reportSchema(t *testing.T) *jsonschema.Schema {
	s := schemaFor[Report](t)
	s.Properties["runs"].Items = &jsonschema.Schema{Ref: "verdict.json"}
	s.Title = fmt.Sprintf("aftershock report --format json, version %d", results.VerdictVersion)
	s.Properties["version"].Const = constant(results.VerdictVersion)
	return s
}

func constant(n int) *any {
	var value any = n
	return &value
}

// schemaFor is the schema of a type, described by its comments.
func schemaFor[T any](t *testing.T) *jsonschema.Schema {
	t.Helper()
	types := map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[results.Answer]():   {Type: "string", Enum: []any{results.Holds, results.OnlyMeasured, results.Unproven, results.Violated}},
		reflect.TypeFor[results.Elements](): {Type: "array", Items: &jsonschema.Schema{Types: []string{"integer", "null"}}},
	}
	s, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: types})
	if err != nil {
		t.Fatal(err)
	}
	describe(s, reflect.TypeFor[T](), comments(t))
	return s
}

// open allows fields that a schema does not name.
func open(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Not != nil {
		s.AdditionalProperties = nil
	}
	open(s.Items)
	open(s.AdditionalProperties)
	for _, p := range s.Properties {
		open(p)
	}
}

// describe gives each field its comment.
func describe(s *jsonschema.Schema, t reflect.Type, said map[string]string) {
	for s != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice) {
		if t.Kind() == reflect.Slice {
			s = s.Items
		}
		t = t.Elem()
	}
	if s == nil || t.Kind() != reflect.Struct {
		return
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if p := s.Properties[name]; p != nil {
			p.Description = said[ownerOf(t, f).Name()+"."+f.Name]
			describe(p, f.Type, said)
		}
	}
}

// ownerOf is the struct that declares a field, which may be embedded.
func ownerOf(t reflect.Type, f reflect.StructField) reflect.Type {
	for _, i := range f.Index[:len(f.Index)-1] {
		t = t.Field(i).Type
	}
	return t
}

// comments are those of the fields of structs, by "Type.Field".
func comments(t *testing.T) map[string]string {
	t.Helper()
	said := map[string]string{}
	for _, pattern := range []string{"*.go", "../*.go", "../../checkers/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if spec, ok := n.(*ast.TypeSpec); ok {
					if s, ok := spec.Type.(*ast.StructType); ok {
						for _, f := range s.Fields.List {
							for _, name := range f.Names {
								said[spec.Name.Name+"."+name.Name] = strings.TrimSpace(strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " "))
							}
						}
					}
				}
				return true
			})
		}
	}
	return said
}
