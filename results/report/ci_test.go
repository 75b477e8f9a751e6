package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
)

// trick is what a name may hold to be more than a name in what CI servers show.
const trick = "</summary></details><script>alert(1)</script> ]]> | `code` ``` ~~~ @everyone #1 ![x](http://x) [y](z) 100%, line=1 \r\n::error::forged\n\n# big\n<!-- x -->"

// tricky is a violated run with tricks wherever a text can come from outside.
func tricky(t *testing.T) *results.Verdict {
	v := hostileVerdict(t)
	v.Plan.Name, v.Plan.File, v.Plan.Target, v.Plan.Host, v.Dir = trick, trick, trick, trick, trick
	v.Plan.Varied = []results.Setting{{Path: trick, Value: trick}}
	v.Notes, v.Remarks = []string{trick}, []string{trick}
	v.Gates = append(v.Gates, results.Gate{Name: trick, Detail: trick})
	for i := range v.Findings {
		v.Findings[i].Text, v.Findings[i].Class = trick, checkers.Class(trick)
		for k := range v.Findings[i].Evidence {
			v.Findings[i].Evidence[k].Shown, v.Findings[i].Evidence[k].KeyName, v.Findings[i].Evidence[k].Node = trick, trick, trick
		}
	}
	for i := range v.Faults {
		v.Faults[i].Victims = []string{trick}
	}
	v.Claims = append(v.Claims, results.ClaimResult{Claim: trick, Answer: results.Violated, Detail: trick}, results.ClaimResult{Claim: trick, Answer: results.Unproven, Detail: trick})
	return v
}

// outside is Markdown without what is in fenced blocks, each of which has to be closed.
func outside(t *testing.T, markdown string) string {
	t.Helper()
	var rest []string
	fence := ""
	for line := range strings.SplitSeq(markdown, "\n") {
		ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fence == "" && len(ticks) >= 3:
			fence = ticks
		case fence != "" && len(ticks) >= len(fence) && line == ticks:
			fence = ""
		case fence == "":
			rest = append(rest, line)
		}
	}
	if fence != "" {
		t.Errorf("a block of letters is never closed:\n%s", markdown)
	}
	return strings.Join(rest, "\n")
}

// TestTricksInGitHubSummary: no text from outside is a tag, a heading, a mention or a
// picture, and none unfolds or ends a fold.
func TestTricksInGitHubSummary(t *testing.T) {
	holds := tricky(t)
	holds.Verdict = results.Holds
	var b bytes.Buffer
	if err := GitHub(&b, tricky(t), holds); err != nil {
		t.Fatal(err)
	}
	text := outside(t, b.String())
	ours := regexp.MustCompile(`<details><summary>[^<>]*</summary>|</details>|` + "`[^`\n]*`" + `|\\.`)
	left := ours.ReplaceAllString(text, "")
	if m := regexp.MustCompile(`<[a-zA-Z/!]|!\[|\]\(|@[a-z]|(?m)^# |(?m)^::`).FindString(left); m != "" {
		t.Errorf("%q is left to work:\n%s", m, left)
	}
	if open, closed := strings.Count(text, "<details>"), strings.Count(text, "</details>"); open != closed || open < 2 {
		t.Errorf("%d folds are opened, %d closed", open, closed)
	}
	for line := range strings.SplitSeq(text, "\n") {
		if cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); strings.HasPrefix(line, "|") && cells != 4 {
			t.Errorf("a row has %d bars: %s", cells, line)
		}
	}
}

// TestFence: no line ends the block that it is in.
func TestFence(t *testing.T) {
	for _, line := range []string{"```", "`````", "```text", "`", ""} {
		if left := outside(t, fenced([]string{line, "<b>"})); strings.Contains(left, "<b>") {
			t.Errorf("after %q the block is over", line)
		}
	}
}

// TestTricksInAnnotations: each is one command with a place and a title, whatever is in
// them.
func TestTricksInAnnotations(t *testing.T) {
	var b bytes.Buffer
	if err := GitHubAnnotations(&b, tricky(t)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	command := regexp.MustCompile(`^::(error|warning) file=[^,:\r]*,line=[0-9]+,title=[^,:\r]*::([^\r]*)$`)
	for _, line := range lines {
		if !command.MatchString(line) {
			t.Errorf("this is no command: %q", line)
		}
		if strings.Contains(regexp.MustCompile(`%(25|0A|0D|3A|2C)`).ReplaceAllString(line, ""), "%") {
			t.Errorf("a bare %% in %q", line)
		}
	}
	if len(lines) < 4 {
		t.Errorf("only %d annotations:\n%s", len(lines), b.String())
	}
}

// TestFewAnnotations: GitHub shows ten of a kind; what it does not show is counted.
func TestFewAnnotations(t *testing.T) {
	v := sampleVerdict(t)
	for i := range 30 {
		v.Claims = append(v.Claims, results.ClaimResult{Claim: fmt.Sprint("lag.p99 < ", i), Answer: results.Violated}, results.ClaimResult{Claim: "x", Answer: results.Unproven})
	}
	var b bytes.Buffer
	if err := GitHubAnnotations(&b, v); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "::error"); n != mostAnnotations {
		t.Errorf("%d errors", n)
	}
	if !strings.Contains(b.String(), "::error::22 more are in the summary\n") || !strings.Contains(b.String(), "::warning::22 more") {
		t.Errorf("what is left out is not counted:\n%s", b.String())
	}
}

// TestGitHubSummaryIsBounded: a comment takes 65,536 characters; the worst come first, and
// what is left out is counted.
func TestGitHubSummaryIsBounded(t *testing.T) {
	var all []*results.Verdict
	for range 40 {
		v := sampleVerdict(t)
		v.Verdict = results.Holds
		all = append(all, v)
	}
	all = append(all, crowded(t))
	var b bytes.Buffer
	if err := GitHub(&b, all...); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 65_000 {
		t.Errorf("%d bytes", b.Len())
	}
	if first := strings.Index(b.String(), "### ✗"); first < 0 || first > strings.Index(b.String(), "<summary>✓") {
		t.Error("what is violated does not come first")
	}
	if !regexp.MustCompile(`[0-9]+ more runs are not shown here`).MatchString(b.String()) {
		t.Error("what is left out is not told")
	}
}

// TestGitLabReport: what GitLab demands of each entry is there, and the same trouble in
// another run has the same fingerprint, another claim another one.
func TestGitLabReport(t *testing.T) {
	read := func(v *results.Verdict) (issues []qualityIssue) {
		var b bytes.Buffer
		if err := GitLab(&b, v); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b.Bytes(), &issues); err != nil {
			t.Fatal(err)
		}
		return issues
	}
	again := sampleVerdict(t)
	again.Claims[0].Detail, again.Started, again.Dir = "writes.lost = 99", again.Started.Add(time.Hour), "elsewhere"
	one, two := read(sampleVerdict(t)), read(again)
	if len(one) != 2 || len(two) != 2 || one[0].Fingerprint != two[0].Fingerprint || one[0].Fingerprint == one[1].Fingerprint {
		t.Errorf("issues are %+v and %+v", one, two)
	}
	for _, issue := range read(tricky(t)) {
		if issue.Description == "" || issue.Check == "" || len(issue.Fingerprint) != 64 || issue.Location.Path == "" || issue.Location.Lines.Begin < 1 || strings.ContainsAny(issue.Description, "\r\n") {
			t.Errorf("an entry is %+v", issue)
		}
	}
	var b bytes.Buffer
	if err := GitLab(&b); err != nil || strings.TrimSpace(b.String()) != "[]" {
		t.Errorf("of nothing: %v, %s", err, b.String())
	}
}

// TestTimeline: a fault is where it was, and what it did can be seen.
func TestTimeline(t *testing.T) {
	lines := timeline(sampleVerdict(t))
	row := func(name string) []rune {
		for _, l := range lines {
			if rest, ok := strings.CutPrefix(l, name+" "); ok {
				return []rune(strings.TrimLeft(rest, " "))
			}
		}
		t.Fatalf("no lane %s in\n%s", name, strings.Join(lines, "\n"))
		return nil
	}
	if n1 := row("n1"); n1[17] != '·' || n1[18] != '█' || n1[30] != '█' || n1[31] != '·' { // 3 s to 5 s of 10 s in 60 columns
		t.Errorf("n1 is %s", string(n1))
	}
	acked := row("acknowledged/s")
	if !strings.ContainsRune(levels, acked[6]) || strings.Index(levels, string(acked[20])) >= strings.Index(levels, string(acked[10])) {
		t.Errorf("the outage cannot be seen: %s", string(acked))
	}
	v := sampleVerdict(t)
	v.Duration = 0
	if lines := timeline(v); lines != nil {
		t.Errorf("a run without times has %q", lines)
	}
}
