package site

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/rundir"
	"github.com/aftershock-chaos/aftershock/results/study"
	studypage "github.com/aftershock-chaos/aftershock/results/study/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hostile = "<script>alert(1)</script>&\"'\x1b[31m\u202e]]></style><img src=x onerror=alert(1)>`|[x](javascript:alert(1))\r\n{{.}}"

// made copies a stored run into a folder and changes its verdict.
func made(t testing.TB, root, name, of string, change func(*results.Verdict)) string {
	t.Helper()
	dir := filepath.Join(root, filepath.FromSlash(name))
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "judge", "testdata", "format-1", of))); err != nil {
		t.Fatal(err)
	}
	if change == nil {
		return dir
	}
	path := filepath.Join(dir, rundir.VerdictFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v results.Verdict
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	change(&v)
	if text, err = json.Marshal(v); err != nil {
		t.Fatal(err)
	}
	write(t, path, string(text))
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// sampleFolder has good, violated, measured, torn, damaged and foreign folders, and what
// leads out of it.
func sampleFolder(t testing.TB) *Folder {
	t.Helper()
	root := t.TempDir()
	made(t, root, "20260101T100000-clean-1", "holds", nil)
	made(t, root, "20260101T110000-clean-2", "holds", func(v *results.Verdict) { v.Started, v.Verdict = v.Started.AddDate(0, 0, 1), results.Violated })
	made(t, root, "20260102T100000-lossy-1", "violated", nil)
	made(t, root, "20260103T100000-many-group/20260103T100001-bare-1", "holds", func(v *results.Verdict) { v.Verdict, v.Claims, v.Plan.YAML = results.OnlyMeasured, nil, "" })
	write(t, filepath.Join(root, "20260103T100000-many-group", rundir.GroupFile), "{")
	torn := made(t, root, "20260104T100000-torn-1", "violated", func(v *results.Verdict) { v.Plan.Name = "torn" })
	if err := os.Truncate(filepath.Join(torn, "history.arrows"), 20_000); err != nil {
		t.Fatal(err)
	}
	cut := made(t, root, "20260105T100000-cut-1", "holds", nil)
	write(t, filepath.Join(cut, rundir.VerdictFile), `{"version": 1, "verd`)
	made(t, root, "20260105T120000-word-1", "holds", func(v *results.Verdict) { v.Verdict = hostile })
	empty := made(t, root, "20260106T100000-empty-1", "holds", func(v *results.Verdict) { v.Plan.Name = "empty" })
	write(t, filepath.Join(empty, "history.arrows"), "")
	made(t, root, "hostile "+strings.ReplaceAll(hostile, "/", "_"), "holds", func(v *results.Verdict) {
		p := &v.Plan
		p.Name, p.About, p.Target, p.TargetName, p.Host, p.Version = hostile, hostile, hostile, hostile, hostile, hostile
		p.Varied = []results.Setting{{Path: hostile, Value: hostile}}
		v.Machine = &results.Machine{CPU: hostile}
		v.Values = append(v.Values, results.FactValue{Value: checkers.Value{Name: hostile, N: 1, Known: true}, Unit: checkers.Unit(hostile)})
		v.Faults = append(v.Faults, results.Fault{ID: hostile, Name: hostile, Victims: []string{hostile}, Executed: true, End: 1e9})
	})
	var page bytes.Buffer
	if err := studypage.HTML(&page, &study.Study{Says: "replicas cost " + hostile}, nil); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "20260110T100000-study-cost", studyFile), page.String())
	write(t, filepath.Join(root, "20260110T100000-study-forged", studyFile), "<!doctype html><script>alert('forged')</script>")
	write(t, filepath.Join(root, "docs", "images", "notes.txt"), "no run")
	outside := made(t, t.TempDir(), "elsewhere", "violated", nil)
	link := made(t, root, "20260107T100000-link-1", "holds", nil)
	piped := made(t, root, "20260108T100000-piped-1", "holds", nil)
	if err := errors.Join(os.Symlink("20260101T100000-clean-1", filepath.Join(root, "latest")), os.Symlink(outside, filepath.Join(root, "20260109T100000-away-1")),
		os.Symlink("/etc/passwd", filepath.Join(link, rundir.ReportFile)),
		os.Remove(filepath.Join(piped, "history.arrows")), syscall.Mkfifo(filepath.Join(piped, "history.arrows"), 0o644)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "20260102T100000-lossy-1", "explain-register-key-1.html"), "<script>porcupine()</script>")
	write(t, filepath.Join(root, "20260102T100000-lossy-1", rundir.ReportFile), "<!doctype html><script>alert('stored')</script>")
	f, err := Open(root, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func runsOf(t testing.TB, f *Folder) []*Run {
	t.Helper()
	c, err := f.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c.Runs
}

// TestIndexTellsWhatRunsAre: every run is there once, as what it is.
func TestIndexTellsWhatRunsAre(t *testing.T) {
	f := sampleFolder(t)
	runs := runsOf(t, f)
	want := map[string]string{
		"20260101T100000-clean-1": "holds, picture, trend of 4", "20260101T110000-clean-2": "violated, picture, trend of 4", "20260102T100000-lossy-1": "violated, picture, trend of 2",
		"20260103T100000-many-group/20260103T100001-bare-1": "measured, picture", "20260104T100000-torn-1": "violated, picture, torn, trend of 2",
		"20260105T100000-cut-1": "no verdict: 20260105T100000-cut-1/verdict.json: unexpected EOF", "20260106T100000-empty-1": "holds, no picture, torn, trend of 4",
		"20260105T120000-word-1": "no verdict: its verdict is none", "20260107T100000-link-1": "no verdict: report.html is no regular file", "20260108T100000-piped-1": "no verdict: history.arrows is no regular file",
	}
	of := map[string]int{}
	for _, r := range runs {
		of[r.plan]++
	}
	for _, r := range runs {
		if strings.HasPrefix(r.Name, "hostile") {
			continue
		}
		row := rowOf(r, of[r.plan])
		got := row.Answer
		if row.Wrong != "" {
			got += ": " + row.Wrong
		} else if row.Thumb != nil && strings.HasPrefix(row.Thumb.OK, "M") {
			got += ", picture"
		} else if row.NoPicture != "" {
			got += ", no picture"
		}
		if row.Torn {
			got += ", torn"
		}
		if row.Trend != "" {
			got += fmt.Sprint(", trend of ", row.Runs)
		}
		if w, ok := want[r.Name]; !ok || got != w && !(row.Wrong != "" && strings.HasPrefix(got, w)) {
			t.Errorf("%s: %q, want %q", r.Name, got, w)
		}
		delete(want, r.Name)
	}
	if len(want) > 0 || len(runs) != 11 {
		t.Errorf("%d runs; missing are %v", len(runs), want)
	}
	for i := 1; i < len(runs); i++ {
		if runs[i].Started.After(runs[i-1].Started) {
			t.Errorf("%s stands after the older %s", runs[i].Name, runs[i-1].Name)
		}
	}
}

// TestRunsAreReadOnce, and again when they have changed.
func TestRunsAreReadOnce(t *testing.T) {
	root := t.TempDir()
	made(t, root, "a-1", "holds", nil)
	f, err := Open(root, 0)
	if err != nil {
		t.Fatal(err)
	}
	look := func() *Run {
		runs := runsOf(t, f)
		if len(runs) != 1 {
			t.Fatalf("%v", runs)
		}
		return runs[0]
	}
	first := look()
	if look() != first {
		t.Error("a run that did not change was read twice")
	}
	write(t, filepath.Join(root, "a-1", rundir.VerdictFile), "{}")
	if got := look(); got == first || got.Verdict != nil {
		t.Errorf("a run that changed is shown as it was: %+v", got)
	}
}

// ask asks the served folder.
func ask(h http.Handler, method, path, host string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost/", nil)
	r.URL.Path, r.Host = path, host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestServed(t *testing.T) {
	f := sampleFolder(t)
	h := Handler(f, "lab")
	runs := runsOf(t, f)
	plan := ""
	for _, r := range runs {
		if r.Name == "20260101T100000-clean-1" {
			plan = r.plan
		}
	}
	lossy := "/run/20260102T100000-lossy-1/"
	for _, tc := range []struct {
		path, host string
		code       int
		has        string
	}{
		{"/", "127.0.0.1:8420", 200, "11 runs: "}, {"/index.html", "localhost", 200, "clean"}, {"/", "[::1]:80", 200, "clean"}, {"/", "LAB:8", 200, "clean"},
		{"/", "evil.example", 421, "IP address"}, {"/", "127.0.0.1.evil.example:8420", 421, ""}, {"/", "", 421, ""},
		{"/run/20260110T100000-study-cost/study.html", "localhost", 200, "replicas cost"}, {"/run/20260110T100000-study-forged/study.html", "localhost", 404, ""},
		{"/compare.html", "localhost", 200, "Two runs over each other"}, {"/plan/" + plan + ".html", "localhost", 200, "4 runs of this plan"}, {"/plan/.html", "localhost", 404, ""},
		{lossy + "report.html", "localhost", 200, "acknowledged"}, {lossy + "plan.yaml", "localhost", 200, "name:"}, {lossy + "verdict.json", "localhost", 200, `"verdict"`},
		{lossy + "explain-register-key-1.html", "localhost", 200, "porcupine"}, {lossy + "history.arrows", "localhost", 404, ""}, {lossy + "nodes/n1/server.log", "localhost", 404, ""},
		{"/run/20260103T100000-many-group/20260103T100001-bare-1/report.html", "localhost", 200, "Measured"},
		{"/run/20260106T100000-empty-1/report.html", "localhost", 200, "empty"},
		{"/run/20260107T100000-link-1/report.html", "localhost", 404, ""}, {"/run/20260109T100000-away-1/report.html", "localhost", 404, ""}, {"/run/latest/report.html", "localhost", 404, ""},
		{"/run/../../../../etc/passwd", "localhost", 404, ""}, {lossy + "../../../etc/passwd", "localhost", 404, ""}, {lossy + "..", "localhost", 404, ""}, {"/run/", "localhost", 404, ""}, {"/run/./20260102T100000-lossy-1/plan.yaml", "localhost", 404, ""},
		{"//etc/passwd", "localhost", 404, ""}, {"/run/20260102T100000-lossy-1\x00/plan.yaml", "localhost", 404, ""},
	} {
		w := ask(h, http.MethodGet, tc.path, tc.host)
		body := w.Body.String()
		if w.Code != tc.code || !strings.Contains(body, tc.has) || strings.Contains(body, "root:") {
			t.Errorf("%s of %q: %d, want %d with %q", tc.path, tc.host, w.Code, tc.code, tc.has)
		}
		for name, value := range headers {
			if w.Header().Get(name) != value {
				t.Errorf("%s: %s is %q", tc.path, name, w.Header().Get(name))
			}
		}
		if !strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s can be framed", tc.path)
		}
	}
	if policy := ask(h, http.MethodGet, lossy+"explain-register-key-1.html", "localhost").Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "sandbox allow-scripts; default-src 'none'") {
		t.Errorf("porcupine's view runs under %s", policy)
	}
	if strings.Contains(ask(h, http.MethodGet, lossy+"report.html", "localhost").Body.String(), "alert('stored')") {
		t.Error("a report of unknown making is shown as it is")
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, "TRACE"} {
		if w := ask(h, method, "/", "localhost"); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s is answered with %d", method, w.Code)
		}
	}
	if w := ask(h, http.MethodHead, "/", "localhost"); w.Code != 200 {
		t.Errorf("HEAD is answered with %d", w.Code)
	}
}

// TestHostileStringsScriptNothing: of no page.
func TestHostileStringsScriptNothing(t *testing.T) {
	f := sampleFolder(t)
	runs := runsOf(t, f)
	var pages, reports bytes.Buffer
	for _, r := range runs {
		if strings.HasPrefix(r.Name, "hostile") {
			if err := errors.Join(writeTrends(&pages, []*Run{r, r}), f.writeReport(&reports, r)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(writeIndex(&pages, &Content{runs, []string{hostile}}), writeCompare(&pages, runs)); err != nil {
		t.Fatal(err)
	}
	if strings.Count(pages.String(), "alert(1)") < 10 || !strings.Contains(reports.String(), "alert(1)") {
		t.Fatal("the hostile run is not there")
	}
	for _, bad := range []string{"\x1b", "\u202e"} {
		if strings.Contains(pages.String(), bad) {
			t.Errorf("the pages have %q", bad)
		}
	}
	pages.Write(reports.Bytes())
	page := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(pages.String())
	for _, bad := range []string{"<script>alert", "<img", `href="javascript`, "ZgotmplZ", "unsafe-inline"} {
		if strings.Contains(page, bad) {
			t.Errorf("the pages have %q", bad)
		}
	}
	page = regexp.MustCompile(`"[^"]*"`).ReplaceAllString(page, `""`) // what stands in quotes is no markup
	for _, outside := range []string{`<[^>]*\ssrc=`, "@import", `<[^>]*\sstyle=`, `<[^>]*\son[a-z]+=`, "innerHTML", "<form[^>]*action"} {
		if found := regexp.MustCompile(outside).FindString(page); found != "" {
			t.Errorf("the pages have %s", found)
		}
	}
}

// TestOpen: what is no folder of runs is one clear line.
func TestOpen(t *testing.T) {
	root := t.TempDir()
	made(t, root, "a-1", "holds", nil)
	write(t, filepath.Join(root, "file"), "x")
	for path, want := range map[string]string{"nowhere": "there is no folder", "file": "no folder that can be read", "a-1": "is one run"} {
		_, err := Open(filepath.Join(root, path), 0)
		if !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it was made")
	}
}
