// Package page writes a study as one page that needs nothing else: no network, no
// script, no other files. It is a pure function of the study.
package page

import (
	"embed"
	"fmt"
	"html/template"
	"io"

	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results/study"
	"github.com/aftershock-chaos/aftershock/results/web"
)

//go:embed assets
var assets embed.FS

// shown is what the template shows.
type shown struct {
	S     *study.Study
	Parts []shownPart
	Quick string
	Page  *web.Parts
}

type shownPart struct {
	*study.Part
	Heads  []string
	Table  []tableRow
	Charts []chart
	Linked bool // some row leads to its runs
}

type tableRow struct {
	Cells []cell
	Links []string // to the reports of its runs
}

// cell is one place of a table: a setting, or a fact's median with the interval below
// it, so that a table of several facts is no wider than the page.
type cell struct{ Median, Interval string }

// HTML writes the page. link tells where the report of a run's directory is, as a path
// from the page; nil, or an empty path: nowhere.
func HTML(w io.Writer, s *study.Study, link func(dir string) string) error {
	tmpl, err := template.New("study.html.tmpl").Funcs(template.FuncMap{"tone": tone, "count": units.Plural, "center": func(a, b float64) float64 { return a + b/2 }, "next": func(i int) int { return i + 1 }}).ParseFS(assets, "assets/study.html.tmpl")
	if err != nil {
		return fmt.Errorf("read the study's template: %w", err)
	}
	p := shown{S: s}
	if p.Page, err = parts(); err != nil {
		return err
	}
	if s.Quick {
		p.Quick = study.QuickWords
	}
	for i := range s.Parts {
		part := &s.Parts[i]
		one := shownPart{Part: part, Charts: charts(i, part)}
		one.table(link)
		p.Parts = append(p.Parts, one)
	}
	if err := tmpl.Execute(w, p); err != nil {
		return fmt.Errorf("write the study's page: %w", err)
	}
	return nil
}

// parts are the page's styles; it has no scripts.
func parts() (*web.Parts, error) { return web.Told(assets, []string{"study.css"}, nil) }

// Guarded tells whether nothing can run in a stored page of a study, see
// web.Parts.Guards.
func Guarded(page []byte) bool {
	p, err := parts()
	return err == nil && p.Guards(page)
}

// table fills in the part's table.
func (p *shownPart) table(link func(dir string) string) {
	heads, rows := p.Part.Table()
	p.Heads = heads
	for i, cells := range rows {
		var row tableRow
		of := p.Rows[i].Cells
		for _, setting := range cells[:len(cells)-len(of)] {
			row.Cells = append(row.Cells, cell{Median: setting})
		}
		for _, c := range of {
			median, interval := c.Told()
			row.Cells = append(row.Cells, cell{median, interval})
		}
		for _, dir := range p.Rows[i].Dirs {
			if link == nil {
				break
			}
			if to := link(dir); to != "" {
				row.Links, p.Linked = append(row.Links, to), true
			}
		}
		p.Table = append(p.Table, row)
	}
}

// tone is the class of an answer in the reports' style.
func tone(a study.Answer) string {
	switch a {
	case study.Measured:
		return "holds"
	case study.Refuted:
		return "violated"
	}
	return "unknown"
}
