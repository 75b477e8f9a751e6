package ci_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rhysd/actionlint"
)

// lint holds a workflow to what GitHub takes, and what it hands to the action of this
// repository to that action's inputs.
func lint(t *testing.T, path string, text []byte) []*actionlint.Error {
	t.Helper()
	project, err := actionlint.NewProject("..")
	if err != nil {
		t.Fatal(err)
	}
	linter, err := actionlint.NewLinter(&bytes.Buffer{}, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := linter.Lint(path, text, project)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestWorkflows(t *testing.T) {
	paths, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("workflows are %v, %v", paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range lint(t, path, text) {
			t.Error(found)
		}
		wrong := bytes.Replace(text, []byte("plans:"), []byte("plan:"), 1)
		if len(lint(t, path, wrong)) == 0 {
			t.Errorf("%s: an input that the action does not have is not found", path)
		}
	}
}

// examples are the blocks of YAML in the documentation.
func examples(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		all = append(all, block[1])
	}
	return all
}

// TestDocumentedJobs: what docs/ci.md gives to copy is right: the workflows for GitHub as
// they stand, and the inputs of GitLab's template.
func TestDocumentedJobs(t *testing.T) {
	workflows, includes := 0, 0
	for _, text := range examples(t) {
		if strings.Contains(text, "uses: ") {
			workflows++
			for _, found := range lint(t, "docs/ci.md", []byte(strings.ReplaceAll(text, "aftershock-chaos/aftershock@main", "./"))) {
				t.Errorf("%v in\n%s", found, text)
			}
			continue
		}
		includes++
		var job struct {
			Include []struct{ Inputs map[string]any }
		}
		if err := yaml.Unmarshal([]byte(text), &job); err != nil || len(job.Include) == 0 {
			t.Fatalf("GitLab's job has no include: %v\n%s", err, text)
		}
		for name := range job.Include[0].Inputs {
			if _, ok := template(t).Spec.Inputs[name]; !ok {
				t.Errorf("the template has no input %s", name)
			}
		}
	}
	if workflows < 2 || includes < 1 {
		t.Errorf("docs/ci.md has %d workflows and %d jobs of GitLab", workflows, includes)
	}
}

type gitlabTemplate struct {
	Spec struct{ Inputs map[string]any }
	job  map[string]any
	text string
}

func template(t *testing.T) gitlabTemplate {
	t.Helper()
	text, err := os.ReadFile("gitlab.yml")
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := strings.Cut(string(text), "\n---\n")
	if !ok {
		t.Fatal("the template has no header of inputs")
	}
	g := gitlabTemplate{text: body}
	if err := yaml.Unmarshal([]byte(head), &g); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(strings.Replace(body, "$[[ inputs.job ]]:", "job:", 1)), &g.job); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestGitLabTemplate: it uses the inputs that it has, and hands the script variables that
// it knows.
func TestGitLabTemplate(t *testing.T) {
	g := template(t)
	if len(g.Spec.Inputs) < 5 {
		t.Fatalf("its inputs are %v", g.Spec.Inputs)
	}
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$\[\[ inputs\.([a-z-]+) \]\]`).FindAllStringSubmatch(g.text, -1) {
		used[m[1]] = true
		if _, ok := g.Spec.Inputs[m[1]]; !ok {
			t.Errorf("it uses the input %s, which it does not have", m[1])
		}
	}
	for name := range g.Spec.Inputs {
		if !used[name] {
			t.Errorf("it has the input %s, and does not use it", name)
		}
	}
	job, _ := g.job["job"].(map[string]any)
	variables, _ := job["variables"].(map[string]any)
	for name := range variables {
		if name != "GOPATH" && name != "GOCACHE" && !known(t, name) {
			t.Errorf("it sets %s, which the script does not know", name)
		}
	}
	if len(variables) < 5 {
		t.Errorf("its variables are %v", variables)
	}
}

// known tells whether ci/run.sh documents a variable.
func known(t *testing.T, name string) bool {
	text, err := os.ReadFile("run.sh")
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "\nset -")
	return regexp.MustCompile(`\b` + name + `\b`).MatchString(head)
}

// TestAction: every input reaches a step, every step of a shell has one, what is handed to
// run.sh is known there, and no expression is pasted into a shell.
func TestAction(t *testing.T) {
	text, err := os.ReadFile("../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var action struct {
		Inputs map[string]struct{ Description string }
		Runs   struct {
			Steps []struct {
				If, Run, Uses, Shell string
				Env                  map[string]string
				With                 map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &action); err != nil {
		t.Fatal(err)
	}
	_, steps, _ := strings.Cut(string(text), "\nruns:")
	for name, input := range action.Inputs {
		if input.Description == "" || !regexp.MustCompile(`inputs\.`+name+`\b`).MatchString(steps) {
			t.Errorf("the input %s is not told or not used", name)
		}
	}
	for i, step := range action.Runs.Steps {
		if (step.Run == "") == (step.Uses == "") || step.Run != "" && step.Shell != "bash" {
			t.Errorf("step %d is %+v", i, step)
		}
		if strings.Contains(step.Run, "${{") {
			t.Errorf("step %d has an expression in its shell: what it stands for could be commands", i)
		}
		if strings.Contains(step.Run, "run.sh") {
			for name := range step.Env {
				if name != "CI_SCRIPTS" && !known(t, name) {
					t.Errorf("step %d sets %s, which run.sh does not know", i, name)
				}
			}
		}
	}
}

// TestKeyOfSources: a cache is used only for the same sources.
func TestKeyOfSources(t *testing.T) {
	key := func() string {
		out, err := exec.Command("./build.sh", "key").Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	first := key()
	if !regexp.MustCompile(`^[0-9a-f]{32}\n$`).MatchString(first) || key() != first {
		t.Errorf("keys are %q and %q", first, key())
	}
}
