package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	named   = regexp.MustCompile(`aftershock_[a-z_]+`)
	grouped = regexp.MustCompile(`by \(([^)]*)\)`)
	matched = regexp.MustCompile(`([a-z]+)=~?"`)
	legend  = regexp.MustCompile(`{{([a-z]+)}}`)
)

// TestDashboard: every metric and label that the dashboard asks for is served.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../../docs/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	type query struct {
		Expr         string
		LegendFormat string
	}
	var dashboard struct {
		Panels      []struct{ Targets []query }
		Annotations struct{ List []query }
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	queries := dashboard.Annotations.List
	for _, p := range dashboard.Panels {
		queries = append(queries, p.Targets...)
	}
	served := everything(t)
	asked := map[string]bool{}
	for _, q := range queries {
		names := named.FindAllString(q.Expr, -1)
		if len(names) != 1 {
			t.Errorf("%q asks for %v", q.Expr, names)
			continue
		}
		labels, ok := served[names[0]]
		if !ok {
			t.Errorf("%s is not served", names[0])
		}
		asked[names[0]] = true
		var of []string
		for _, group := range grouped.FindAllStringSubmatch(q.Expr, -1) {
			of = append(of, strings.Split(group[1], ", ")...)
		}
		for _, one := range append(matched.FindAllStringSubmatch(q.Expr, -1), legend.FindAllStringSubmatch(q.LegendFormat, -1)...) {
			of = append(of, one[1])
		}
		for _, label := range of {
			if !slices.Contains(labels, label) {
				t.Errorf("%q asks for the label %s, served are %v", q.Expr, label, labels)
			}
		}
	}
	if len(asked) < 6 {
		t.Errorf("the dashboard asks for %v alone", asked)
	}
}

// everything is what is served, with its labels.
func everything(t *testing.T) map[string][]string {
	t.Helper()
	tally := NewTally("p", []string{"n1", "n2", "n3"})
	tally.Add(sampleOps())
	s, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Show(Moment{Snapshot: tally.Snapshot(), Phase: "measure", Faults: []string{"f1 kill"}, Roles: []Role{{"n1", "primary"}}})
	_, text := get(t, s, "text/plain")
	served := map[string][]string{}
	for _, line := range strings.Split(text, "\n") {
		if name, rest, ok := strings.Cut(line, "{"); ok && !strings.HasPrefix(line, "#") {
			for _, label := range matched.FindAllStringSubmatch(rest, -1) {
				served[name] = append(served[name], label[1])
			}
		}
	}
	return served
}
