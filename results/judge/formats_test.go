package judge_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/history/foreign"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/judge"
	"github.com/aftershock-chaos/aftershock/results/report"
	"github.com/aftershock-chaos/aftershock/results/report/page"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// storedRuns are runs of every format that there has been, as the programs of
// their time wrote them. They are never made anew: a later program has to judge
// them as they are.
var storedRuns = []struct {
	path   string
	format int
	answer results.Answer
}{
	{path: "testdata/format-1/violated", format: 1, answer: results.Violated},
	{path: "testdata/format-1/holds", format: 1, answer: results.Holds},
	{path: "testdata/format-2/violated", format: 2, answer: results.Violated},
	{path: "testdata/format-2/holds", format: 2, answer: results.Holds},
}

// countsMore are the facts of losses of which more are proven since: by what a
// new primary still showed before it took the next write.
var countsMore = regexp.MustCompile(`^writes\.lost$`)

// measuredOtherwise are the facts whose meaning was mended since, so that they
// are not as stored any more. Claims are judged as they were all the same.
var measuredOtherwise = []change{
	{regexp.MustCompile(`^(latency|errors)\..*(before|during|after)|^ops\.late\.`),
		"a fault touched what waited or was under way while it was in force: which operations belong to a phase has moved"},
	{regexp.MustCompile(`^load\.rate$`), "the last answer no longer lengthens the time in which operations were sent"},
	{regexp.MustCompile(`^writes\.lost_updates$`), "of registers that nobody compares and sets, nothing can be said"},
}

type change struct {
	facts *regexp.Regexp
	why   string
}

// TestStoredRuns: a run of any format is judged as it was when it was made, and
// every kind of report can be made of it, with the stored verdict or without.
func TestStoredRuns(t *testing.T) {
	for _, run := range storedRuns {
		t.Run(run.path, func(t *testing.T) {
			path := copyRun(t, run.path)
			dir, err := rundir.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if dir.Format() != run.format {
				t.Errorf("it is of format %d, not %d", run.format, dir.Format())
			}
			stored, err := dir.ReadVerdict()
			if err != nil {
				t.Fatal(err)
			}
			mustReport(t, stored)
			result, err := judge.Check(t.Context(), path, judge.Options{Write: true, Explain: io.Discard})
			if err != nil {
				t.Fatal(err)
			}
			if stored.Verdict != run.answer || result.Verdict.Verdict != run.answer {
				t.Errorf("stored %s, judged %s, want %s", stored.Verdict, result.Verdict.Verdict, run.answer)
			}
			sameClaims(t, result.Verdict, stored)
			sameFacts(t, result.Verdict, stored)
			mustReport(t, result.Verdict)
			if page, err := os.ReadFile(dir.File(rundir.ReportFile)); err != nil || !bytes.Contains(page, []byte(stored.Claims[0].Claim)) {
				t.Errorf("the page of %d bytes, %v, lacks its claim", len(page), err)
			}
		})
	}
}

func sameClaims(t *testing.T, got, want *results.Verdict) {
	if len(got.Claims) != len(want.Claims) {
		t.Fatalf("%d claims, stored are %d", len(got.Claims), len(want.Claims))
	}
	for i, w := range want.Claims {
		if g := got.Claims[i]; g.Claim != w.Claim || g.Answer != w.Answer {
			t.Errorf("%s is %s, stored is %s: %s", g.Claim, g.Answer, w.Answer, g.Detail)
		}
	}
}

// sameFacts compares every fact that the stored verdict knows.
func sameFacts(t *testing.T, got, want *results.Verdict) {
	values := map[string]results.FactValue{}
	for _, v := range got.Values {
		values[v.Name] = v
	}
	for _, w := range want.Values {
		g, ok := values[w.Name]
		if !w.Known || slices.ContainsFunc(measuredOtherwise, func(c change) bool { return c.facts.MatchString(w.Name) }) {
			continue
		}
		least, most := g.Bounds()
		if countsMore.MatchString(w.Name) && w.N > 0 {
			least = min(least, w.N)
		}
		if !ok || !g.Known || w.N < least || w.N > most {
			t.Errorf("%s is %v, stored is %v", w.Name, g, w)
		}
	}
}

// mustReport makes every report of a verdict; each has to tell the answer.
func mustReport(t *testing.T, v *results.Verdict) {
	t.Helper()
	for name, write := range map[string]func(io.Writer) error{
		"text":  func(w io.Writer) error { return report.Text(w, v, report.TextOptions{}) },
		"json":  func(w io.Writer) error { return report.JSON(w, v) },
		"junit": func(w io.Writer) error { return report.JUnit(w, v) },
		"html":  func(w io.Writer) error { return page.HTML(w, page.Input{Verdict: v, Measured: &results.Measured{}}) },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		told := map[string]string{"junit": `failures="1"`}[name]
		if told == "" || v.Verdict == results.Holds {
			told = map[bool]string{true: `failures="0"`, false: string(v.Verdict)}[name == "junit"]
		}
		if !strings.Contains(strings.ToLower(out.String()), told) {
			t.Errorf("%s does not tell %q:\n%.500s", name, told, out.String())
		}
	}
}

// TestNewerFormat: what a newer program recorded is refused, whatever is asked.
func TestNewerFormat(t *testing.T) {
	for text, say := range map[string]string{
		strconv.Itoa(rundir.FormatVersion+1) + "\n": "newer",
		"999999999999999999999":                     "not the number",
		"":                                          "not the number",
		"0":                                         "not the number",
		"-1":                                        "not the number",
		"2.5":                                       "not the number",
		"\x00\xff":                                  "not the number",
	} {
		path := copyRun(t, storedRuns[0].path)
		if err := os.WriteFile(filepath.Join(path, rundir.FormatFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, checkErr := judge.Check(t.Context(), path, judge.Options{})
		for what, err := range map[string]error{"check": checkErr, "export": judge.Export(io.Discard, path, foreign.EDN, "register")} {
			if !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), say) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s of format %q: %v; want ErrInput, %q and the path", what, text, err, say)
			}
		}
	}
}

func copyRun(t *testing.T, from string) string {
	to := filepath.Join(t.TempDir(), "run")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}
