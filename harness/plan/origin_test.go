package plan

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// TestOrigin: a verdict can point at a plan's claims where they stand, and at none that
// does not stand in the file.
func TestOrigin(t *testing.T) {
	t.Chdir(t.TempDir())
	text := "# a comment\nname: first\nduration: 1s\ntarget: {name: postgres}\nworkloads: [{name: register}]\nclaims:\n  - writes.lost == 0\n  - |\n    linearizable\n" +
		"---\nname: second\nduration: 1s\ntarget: {name: postgres}\nworkloads: [{name: register}]\nclaims: [linearizable]\n"
	if err := os.WriteFile("two.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"two.yaml", "./two.yaml", filepath.Join(here, "two.yaml")} {
		plans, err := Load(path, nil, planWords())
		if err != nil {
			t.Fatal(err)
		}
		first, second := plans[0].Origin(), plans[1].Origin()
		if first.File != "two.yaml" || first.Line != 2 || first.Claims["writes.lost == 0"] != 7 {
			t.Errorf("%s: the first plan is at %+v", path, first)
		}
		if second.File != "two.yaml" || second.Line != 11 || !maps.Equal(second.Claims, map[string]int{"linearizable": 15}) {
			t.Errorf("%s: the second plan is at %+v", path, second)
		}
	}
	set, err := Load("two.yaml", []Override{{Path: "claims.0", Value: "linearizable"}}, planWords())
	if err != nil {
		t.Fatal(err)
	}
	if o := set[0].Origin(); len(o.Claims) != 1 || o.Claims["writes.lost == 0"] != 0 || o.File != "two.yaml" {
		t.Errorf("a claim that was set is at %+v", o)
	}
	shipped, err := Parse("quickstart", []byte(text), nil, planWords())
	if err != nil {
		t.Fatal(err)
	}
	if o := shipped[0].Origin(); o.File != "" || o.Line != 0 {
		t.Errorf("a plan that is no file is at %+v", o)
	}
}
