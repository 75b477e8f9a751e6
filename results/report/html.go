package report

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

//go:embed assets
var assets embed.FS

// chartData is what the report's picture is drawn from.
type chartData struct {
	Series results.Series `json:"series"`
	Bands  []band         `json:"bands"`
}

// band is a shaded part of the picture, in seconds of the run's clock.
type band struct {
	Label string  `json:"label"`
	Begin float64 `json:"begin"`
	End   float64 `json:"end"`
	Quiet bool    `json:"quiet"` // a phase rather than a fault
}

// page is what the template shows.
type page struct {
	V        *results.Verdict
	Findings []shownFinding // in the order of their gravity, Decisive aside
	Unmet    []results.Gate
	Met      int
	Lag      []lagLine
	Summary  string
	Load     [][]string // of the phases of the load, under their heads
	Cost     []costLine
	Nodes    []nodeCost
	Recovery []objective
	Data     chartData

	StaleWords string
	Stale      []checkers.StaleReads
	SomeStale  bool // the picture leaves nodes with stale reads out
	Guarantees []guarantee
	SetTimes   []setRow
	SetNodes   []setNode
	Isolation  string
	Anomalies  []anomalyRow
	Decisive   *shownFinding // what rules the next level of isolation out, at its shortest

	CSS      template.CSS
	UPlotCSS template.CSS
	UPlotJS  template.JS
	JS       template.JS
	Scripts  string // the digests of the two, the only scripts that the page lets run
}

// HTML writes a run's report as one file that needs nothing else: no network,
// no other files. m gives the picture over time; nil leaves it out.
func HTML(w io.Writer, v *results.Verdict, m *results.Measured) error {
	tmpl, err := template.New("report.html.tmpl").Funcs(pageFuncs).ParseFS(assets, "assets/report.html.tmpl")
	if err != nil {
		return fmt.Errorf("read the report's template: %w", err)
	}
	p := page{
		V: v, Lag: lagLines(v), Summary: summaryLine(v), Load: loadTable(v), Cost: costLines(v), Nodes: nodeCosts(v), Recovery: objectives(v), StaleWords: staleWords(v), Stale: staleRows(v),
		Guarantees: guarantees(v), SetTimes: setRows(v), SetNodes: setNodes(v), Isolation: isolationWords(v), Anomalies: anomalyRows(v),
	}
	p.addFindings(v)
	for _, g := range v.Gates {
		if g.Met {
			p.Met++
		} else {
			p.Unmet = append(p.Unmet, g)
		}
	}
	if m != nil {
		p.Data = chartData{Series: m.Series, Bands: bands(v)}
		p.SomeStale = len(m.Series.Stale) < staleNodes(v)
	}
	if err := p.embed(); err != nil {
		return err
	}
	if err := tmpl.Execute(w, p); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// shownFinding is a finding whose operations are listed at once, or when asked for.
type shownFinding struct {
	results.Finding
	Open bool
}

// openFindings is how many findings' operations are listed at once.
const openFindings = 3

// addFindings takes the findings in. A cycle is drawn with its operations.
func (p *page) addFindings(v *results.Verdict) {
	i := decisive(v)
	if i >= 0 {
		p.Decisive = &shownFinding{Finding: v.Findings[i]}
	}
	rest := slices.Clone(v.Findings)
	if i >= 0 {
		rest = slices.Delete(rest, i, i+1)
	}
	for n, f := range examples(rest, len(rest)) {
		p.Findings = append(p.Findings, shownFinding{f, n < openFindings && f.Cycle == nil})
	}
}

// lagLine is one replica's lag as clients saw it and as the system told it;
// either may be missing.
type lagLine struct {
	Node      string
	Seen      *results.LagRow
	ServerLag *results.ServerLagRow
}

func lagLines(v *results.Verdict) []lagLine {
	var lines []lagLine
	for i := range v.Lag {
		lines = append(lines, lagLine{Node: v.Lag[i].Node, Seen: &v.Lag[i]})
	}
	for i := range v.ServerLag {
		at := slices.IndexFunc(lines, func(l lagLine) bool { return l.Node == v.ServerLag[i].Node })
		if at < 0 {
			at = len(lines)
			lines = append(lines, lagLine{Node: v.ServerLag[i].Node})
		}
		lines[at].ServerLag = &v.ServerLag[i]
	}
	return lines
}

// embed reads the built-in style and scripts, which are the only parts of the
// page that are not escaped.
func (p *page) embed() error {
	var texts [5]string
	for i, name := range [...]string{"report.css", "uPlot/uPlot.min.css", "uPlot/uPlot.iife.min.js", "report.js", "uPlot/LICENSE"} {
		text, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return fmt.Errorf("read the report's assets: %w", err)
		}
		texts[i] = string(text)
	}
	p.CSS, p.UPlotCSS = template.CSS(texts[0]), template.CSS(texts[1])
	p.UPlotJS, p.JS = template.JS("/*\n"+texts[4]+"*/\n"+texts[2]), template.JS(texts[3]) // the licence goes where the code goes
	p.Scripts = digest(p.UPlotJS) + " " + digest(p.JS)
	return nil
}

// Style is the reports' style sheet, for pages that look like them.
func Style() (template.CSS, error) {
	text, err := assets.ReadFile("assets/report.css")
	return template.CSS(text), err
}

// digest is a script as a Content-Security-Policy names it.
func digest(script template.JS) string {
	hash := sha256.Sum256([]byte(script))
	return "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
}

func bands(v *results.Verdict) []band {
	list := []band{}
	for _, s := range v.Phases {
		if s.Name == "warmup" || s.Name == "heal" || s.Name == "settle" {
			list = append(list, band{Label: s.Name, Begin: float64(s.Begin) / 1e9, End: float64(s.End) / 1e9, Quiet: true})
		}
	}
	for i := range v.Faults {
		f := &v.Faults[i]
		if f.Executed {
			label := strings.TrimSpace(fmt.Sprintf("%s %s %s", f.ID, f.Name, strings.Join(f.Victims, ", ")))
			list = append(list, band{Label: cut(plain(label), 40), Begin: float64(f.At) / 1e9, End: float64(f.End) / 1e9})
		}
	}
	return list
}

var pageFuncs = template.FuncMap{
	"nanos":     units.Nanos,
	"lag":       formatLag,
	"serverLag": formatServerLag,
	"bytes":     func(n *int64) string { return units.Bytes(float64(*n)) },
	"seconds":   units.Instant,
	"signed":    units.Signed,
	"started":   func(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") },
	"mark":      answerMark,
	"count":     units.Plural,
	"join":      func(s []string) string { return strings.Join(s, ", ") },
	"lasted":    func(f results.Fault) string { return units.Nanos(f.End - f.At) },
	"valueOf":   func(e results.Evidence) string { return evidenceValue(&e) },
	"keyOf":     func(e results.Evidence) string { return keyOf(&e) },
	"clientOf":  func(e results.Evidence) string { return clientOf(&e) },
	"title":     func(f results.Fault) string { return f.Title() },
	"happened":  func(h results.Happening) string { return strings.TrimPrefix(placeLine(&h), h.Who+" ") },
	"value":     results.FactValue.String,
	"phase":     pagePhase,
	"when":      func(when string) string { return pagePhase(checkers.Phase(when)) },
	"last":      func(i int, steps []checkers.Step) bool { return i == len(steps)-1 },

	"cycleHead": cycleHead,
	"meaning":   meaning,
}

// cycleHead is what a finding says of a cycle as a whole.
func cycleHead(f shownFinding) string {
	head, _, _ := strings.Cut(f.Text, ": ")
	return head + ", each of which must precede the next:"
}

func pagePhase(p checkers.Phase) string {
	switch p {
	case checkers.PhaseBefore:
		return "before faults"
	case checkers.PhaseDuring:
		return "during faults"
	}
	return "after faults"
}

func meaning(v results.FactValue) string {
	if !v.Known && v.Why != "" {
		return v.Why
	}
	fact, _ := claims.LookupFact(v.Name)
	return fact.Meaning
}
