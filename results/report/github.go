package report

import (
	"fmt"
	"html"
	"io"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/say"
)

// The bounds of a summary. GitHub takes 1 MiB of a step, and 65,536 characters of a
// comment, which a summary is as well.
const (
	maxSummary       = 60_000 // bytes; later runs have their verdict alone
	maxEvidence      = 5      // findings of a claim
	maxEvidenceLines = 16     // of a finding
	maxEvidenceLine  = 240    // runes
)

// GitHub writes the verdicts in GitHub's Markdown, as the summary of a step or a comment:
// each run in a sentence, its claims, a picture of its time, and its evidence folded away.
// Runs that hold are folded as well.
func GitHub(w io.Writer, verdicts ...*results.Verdict) error {
	if len(verdicts) == 0 {
		_, err := io.WriteString(w, "## Aftershock: no runs\n")
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "## Aftershock: %s\n\n", results.Worst(verdicts...))
	ordered := slices.Clone(verdicts)
	slices.SortStableFunc(ordered, func(a, b *results.Verdict) int { return worstFirst(a) - worstFirst(b) })
	left := 0
	for _, v := range ordered {
		run := githubRun(v)
		if b.Len()+len(run) > maxSummary {
			left++
			continue
		}
		b.WriteString(run)
	}
	if left > 0 {
		fmt.Fprintf(&b, "%s not shown here: `aftershock report` tells of them.\n", units.Plural(left, "more run is", "more runs are"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// worstFirst is a run's place: violated, unknown, and those that hold.
func worstFirst(v *results.Verdict) int {
	return slices.Index([]int{results.ExitViolated, results.ExitUnknown, results.ExitHolds}, v.ExitCode())
}

// githubRun is one run.
func githubRun(v *results.Verdict) string {
	name, body := v.Plan.Name+variedWords(v), githubBody(v)
	if v.ExitCode() == results.ExitHolds {
		return folded(fmt.Sprintf("%s %s: %s", answerMark(v.Verdict), name, v.Verdict), body)
	}
	return fmt.Sprintf("### %s %s: %s\n\n%s", answerMark(v.Verdict), quiet(name), v.Verdict, body)
}

func githubBody(v *results.Verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n\n", quiet(say.Headline(v)))
	about := []string{quiet(v.Plan.System()), quiet(v.Plan.Host), fmt.Sprintf("seed %d", v.Plan.Seed)}
	if v.Plan.Replicas > 0 {
		about = append(about, units.Plural(v.Plan.Replicas, "replica", "replicas"))
	}
	if v.Duration > 0 {
		about = append(about, units.Nanos(v.Duration))
	}
	b.WriteString(strings.Join(about, " · ") + "\n\n")
	if len(v.Claims) > 0 {
		b.WriteString("| | claim | measured |\n|---|---|---|\n")
		for _, c := range v.Claims {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", answerMark(c.Answer), quietCode(cut(plain(c.Claim), maxEvidenceLine)), quiet(cut(plain(c.Detail), maxEvidenceLine)))
		}
		b.WriteString("\n")
	}
	for _, g := range v.Gates {
		if !g.Met {
			fmt.Fprintf(&b, "- gate not met: %s: %s\n", quiet(g.Name), quiet(cut(plain(g.Detail), maxEvidenceLine)))
		}
	}
	for _, note := range slices.Concat(v.Notes, v.Remarks) {
		fmt.Fprintf(&b, "- %s\n", quiet(cut(plain(note), maxEvidenceLine)))
	}
	b.WriteString("\n" + fenced(timeline(v)))
	for _, c := range v.Claims {
		if c.Answer == results.Violated {
			b.WriteString(githubEvidence(c, v))
		}
	}
	if again := say.Again(v); again != "" {
		fmt.Fprintf(&b, "Again: %s\n\n", quietCode(again))
	}
	return b.String()
}

// githubEvidence is what speaks against a claim, folded away.
func githubEvidence(c results.ClaimResult, v *results.Verdict) string {
	own := ownFindings(c, v.Findings)
	if len(own) == 0 {
		return ""
	}
	var lines []string
	chosen := examples(own, maxEvidence)
	for _, f := range chosen {
		lines = append(lines, plain(fmt.Sprintf("%s: %s", f.Class, worded(v, f.Text))))
		for i := range f.Evidence {
			if i == maxEvidenceLines {
				lines = append(lines, fmt.Sprintf("    and %d more operations", len(f.Evidence)-i))
				break
			}
			lines = append(lines, "    "+plain(worded(v, evidenceLine(&f.Evidence[i]))))
		}
	}
	if more := len(own) - len(chosen); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more in the report", more))
	}
	return folded("Evidence against "+c.Claim, fenced(lines))
}

// folded shows a title, and Markdown when that is clicked. The title is HTML.
func folded(title, markdown string) string {
	title = html.EscapeString(cut(plain(title), maxEvidenceLine))
	return fmt.Sprintf("<details><summary>%s</summary>\n\n%s</details>\n\n", uncalled(title), markdown)
}

// fenced shows lines as they are: nothing in them ends the block. It is empty for none.
func fenced(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	longest, run := 2, 0
	for _, line := range lines {
		for _, r := range line + "\n" {
			if run++; r != '`' {
				run = 0
			}
			longest = max(longest, run)
		}
	}
	fence := strings.Repeat("`", longest+1)
	var b strings.Builder
	b.WriteString(fence + "text\n")
	for _, line := range lines {
		b.WriteString(cut(line, maxEvidenceLine) + "\n")
	}
	b.WriteString(fence + "\n\n")
	return b.String()
}

// quiet is text from outside that shows as it is and calls nobody.
func quiet(s string) string { return uncalled(escape(s)) }

// quietCode is code, which calls nobody.
func quietCode(s string) string {
	if strings.ContainsAny(s, "`\\") {
		return quiet(s)
	}
	return code(s)
}

// uncalled tells a name after an @ from a user's by a letter of no width.
func uncalled(s string) string { return strings.ReplaceAll(s, "@", "@\u200b") }
