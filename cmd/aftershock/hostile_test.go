package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hostile are values that would run a script in a page that does not escape them.
var hostile = []string{`<img src=x onerror=alert(1)>`, `</script><script>alert(2)</script>`, `"><svg onload=alert(3)>`, `<iframe src=javascript:alert(4)>`, `'-alert(5)-'`, "\u2028alert(6)\u2028`${alert(7)}`"}

// TestHostileValues: the pages of check --explain show values as they are, and run
// no script but their own.
func TestHostileValues(t *testing.T) {
	dir := t.TempDir()
	var edn strings.Builder
	for i, v := range hostile {
		quoted, _ := json.Marshal(v) // EDN's strings are JSON's here
		fmt.Fprintf(&edn, "{:process %d, :type :invoke, :f :write, :value [%s %s], :time %d}\n", i, quoted, quoted, 10*i)
		fmt.Fprintf(&edn, "{:process %d, :type :ok, :f :write, :value [%s %s], :time %d}\n", i, quoted, quoted, 10*i+1)
		fmt.Fprintf(&edn, "{:process %d, :type :invoke, :f :read, :value [%s nil], :time %d}\n", i, quoted, 10*i+2)
		fmt.Fprintf(&edn, "{:process %d, :type :ok, :f :read, :value [%s nil], :time %d}\n", i, quoted, 10*i+3)
	}
	if err := os.WriteFile(filepath.Join(dir, "h.edn"), []byte(edn.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, said := ended(t, dir, "check", "h.edn", "--explain")
	if code != exitViolated {
		t.Fatalf("exit code %d: %s%s", code, out, said)
	}
	pages, _ := filepath.Glob(filepath.Join(dir, "*.html"))
	if len(pages) != len(hostile) {
		t.Fatalf("%d pages of %d keys: %s", len(pages), len(hostile), out)
	}
	for _, path := range pages {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		checkPolicy(t, path, string(text))
		_, states, _ := strings.Cut(string(text), `"StateDescription"`)
		if strings.Contains(states, `"StateDescription":"\u003c`) || !strings.Contains(string(text), `"StateDescription":"`) {
			t.Errorf("%s: a state is no escaped text", path)
		}
	}
}

// checkPolicy holds a page to one script, which its policy names by its digest.
func checkPolicy(t *testing.T, path, page string) {
	t.Helper()
	_, script, _ := strings.Cut(page, "<script>")
	script, rest, ok := strings.Cut(script, "</script>")
	hash := sha256.Sum256([]byte(script))
	policy := fmt.Sprintf(`content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-%s'; base-uri 'none'`, base64.StdEncoding.EncodeToString(hash[:]))
	head, _, _ := strings.Cut(page, "<script>")
	if !ok || !strings.Contains(head, policy) || strings.Contains(rest, "<script") || strings.Count(page, "http-equiv") != 1 || strings.Index(page, "http-equiv") > strings.Index(page, "<title>") {
		t.Errorf("%s: the policy does not name the page's only script", path)
	}
	if i := strings.Index(strings.ToLower(page), "onerror="); i >= 0 && strings.Contains(page, "<img") {
		t.Errorf("%s: a value is HTML: %.80s", path, page[i:])
	}
}

// TestForgedRun: a run directory in which nothing fits together is refused soon.
func TestForgedRun(t *testing.T) {
	run := recordedRun(t, 300)
	far := `[{"id":"f1","at":9223372036854775807,"for":9223372036854775807,"spec":{"kind":"kill","victim":"primary"}}]`
	many := strings.Builder{}
	for i := range 30_000 {
		fmt.Fprintf(&many, `{"at":%d,"kind":"fault","fault":"f%d","name":"kill","nodes":["n1"]}`+"\n", i, i)
	}
	for _, c := range []struct{ name, file, text, want string }{
		{"a far schedule", "schedule.json", far, "duration"},
		{"a fault that ends late", "schedule.json", `[{"id":"f1","at":2000000000,"for":2000000000,"spec":{"kind":"kill","victim":"primary"}}]`, "duration"},
		{"a long schedule", "schedule.json", "[" + strings.Repeat(`{"id":"f1","spec":{"kind":"kill"}},`, 10_000) + `{"id":"f1","spec":{"kind":"kill"}}]`, "10000"},
		{"unknown faults", "events.jsonl", many.String(), "schedule"},
		{"unknown nodes", "events.jsonl", `{"at":1,"kind":"fault","fault":"f1","name":"kill","nodes":["n77"]}` + "\n", "not of one run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			if err := os.CopyFS(dir, os.DirFS(run)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if code, _, said := ended(t, dir, "check", dir); code != exitInput || !strings.Contains(said, c.want) {
				t.Errorf("exit code %d: %.200s", code, said)
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			if c.file != "schedule.json" {
				return
			}
			if code, _, said := ended(t, dir, "run", "--replay", dir); code != exitInput || !strings.Contains(said, c.want) {
				t.Errorf("replay: exit code %d: %.200s", code, said)
			}
		})
	}
}
