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
	CSS   template.CSS
	Own   template.CSS
}

type shownPart struct {
	*study.Part
	Tone   string
	Heads  []string
	Table  [][]string
	Charts []chart
	Varied int // columns of the table that are settings
}

// HTML writes the page.
func HTML(w io.Writer, s *study.Study) error {
	tmpl, err := template.New("study.html.tmpl").Funcs(template.FuncMap{"tone": tone, "count": units.Plural, "center": func(a, b float64) float64 { return a + b/2 }}).ParseFS(assets, "assets/study.html.tmpl")
	if err != nil {
		return fmt.Errorf("read the study's template: %w", err)
	}
	css, err := web.Base()
	if err != nil {
		return fmt.Errorf("read the style of the study's page: %w", err)
	}
	own, err := assets.ReadFile("assets/study.css")
	if err != nil {
		return fmt.Errorf("read the style of the study's page: %w", err)
	}
	p := shown{S: s, CSS: css, Own: template.CSS(own)}
	if s.Quick {
		p.Quick = study.QuickWords
	}
	for i := range s.Parts {
		part := &s.Parts[i]
		one := shownPart{Part: part, Charts: charts(i, part), Varied: len(part.Across)}
		one.Heads, one.Table = part.Table()
		p.Parts = append(p.Parts, one)
	}
	if err := tmpl.Execute(w, p); err != nil {
		return fmt.Errorf("write the study's page: %w", err)
	}
	return nil
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
