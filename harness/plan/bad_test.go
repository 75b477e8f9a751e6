package plan

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/aftershock-chaos/aftershock/internal/failure"
)

var updatePlans = flag.Bool("update-plans", false, "write what is said of testdata/bad.txtar into it")

const badPlans = "testdata/bad.txtar"

// TestBadPlans holds every message about a wrong plan to its golden text. A
// line "# set: path=value" at the top of a plan is an override; $KINDS stands
// for the kinds of faults.
func TestBadPlans(t *testing.T) {
	archive, err := txtar.ParseFile(badPlans)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		name, isPlan := strings.CutSuffix(archive.Files[i].Name, ".yaml")
		if !isPlan || archive.Files[i+1].Name != name+".want" {
			t.Fatalf("%s: %s is not followed by its .want", badPlans, archive.Files[i].Name)
		}
		t.Run(name, func(t *testing.T) {
			_, err := Parse("plans/x.yaml", archive.Files[i].Data, planOverrides(t, archive.Files[i].Data), planWords())
			if err == nil {
				t.Fatal("the plan was taken")
			}
			if !errors.Is(err, failure.ErrInput) {
				t.Errorf("the error does not wrap ErrInput: %v", err)
			}
			got := strings.ReplaceAll(err.Error(), strings.Join(kindNames(), ", "), "$KINDS") + "\n"
			if *updatePlans {
				archive.Files[i+1].Data = []byte(got)
			} else if want := string(archive.Files[i+1].Data); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
	if *updatePlans {
		if err := os.WriteFile(badPlans, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func planOverrides(t *testing.T, data []byte) []Override {
	t.Helper()
	var overrides []Override
	for line := range strings.Lines(string(data)) {
		set, ok := strings.CutPrefix(line, "# set: ")
		if !ok {
			break
		}
		o, err := ParseOverride(strings.TrimSpace(set))
		if err != nil {
			t.Fatal(err)
		}
		overrides = append(overrides, o)
	}
	return overrides
}
