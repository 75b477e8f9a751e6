package page

import (
	"embed"
	"fmt"
	"html/template"
	"io"

	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results/compare"
	"github.com/aftershock-chaos/aftershock/results/web"
)

//go:embed assets
var assets embed.FS

// Input is what a page is made of.
type Input struct {
	Runs   []Run                 // to choose from; the first two are shown at first
	Groups []*compare.Comparison // that the runs stand for, tested; nil: they are runs alone
	Index  string                // link to the page of all runs; empty: there is none
	Left   int                   // runs that the page has not got, as they would make it too large
}

// shown is what the template shows.
type shown struct {
	Input
	Data   *data
	Tests  []test
	Parts  *web.Parts
	Choose bool
}

// test is a comparison of groups as a table.
type test struct {
	*compare.Comparison
	Heads []string
	Rows  []testRow
	Rest  int // facts that were measured and not tested
}

type testRow struct {
	Tone  string
	Cells []string
}

// HTML writes the page.
func HTML(w io.Writer, in Input) error {
	tmpl, err := template.New("compare.html.tmpl").Funcs(template.FuncMap{"count": units.Plural}).ParseFS(assets, "assets/*.tmpl")
	if err != nil {
		return fmt.Errorf("read the template of comparisons: %w", err)
	}
	s := shown{Input: in, Data: dataOf(in.Runs), Choose: len(in.Runs) > 2}
	if s.Parts, err = web.Drawn(assets, []string{"compare.css"}, []string{"over.js", "facts.js", "compare.js"}); err != nil {
		return err
	}
	for _, c := range in.Groups {
		s.Tests = append(s.Tests, testOf(c))
	}
	if err := tmpl.Execute(w, s); err != nil {
		return fmt.Errorf("write the comparison's page: %w", err)
	}
	return nil
}

// tones are the classes of answers in the pages' style.
var tones = map[compare.Answer]string{compare.Better: "holds", compare.Worse: "violated", compare.NoAnswer: "unknown"}

func testOf(c *compare.Comparison) test {
	t := test{Comparison: c, Heads: compare.Columns()}
	for i := range c.Rows {
		if c.Rows[i].Answer == compare.Untested {
			t.Rest++
			continue
		}
		t.Rows = append(t.Rows, testRow{tones[c.Rows[i].Answer], c.Rows[i].Cells()})
	}
	return t
}
