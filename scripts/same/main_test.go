package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// pretender is a program in place of aftershock: it has the help that is
// needed, says a word of each input, and writes a file where it is told so.
func pretender(t *testing.T, word, written, code string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "aftershock")
	script := `#!/bin/sh
case "$*" in
--version) echo aftershock version ` + filepath.Base(t.TempDir()) + ` go1.0;;
--help) printf 'Commands.\n\nAvailable Commands:\n  check   Check\n  report   Report\n  export   Export\n  list  List\n\nFlags:\n';;
*--help) echo '      --format string   text or json (default "text")';;
check*--write*) printf '` + written + `' >"$2/verdict.json"; exit ` + code + `;;
check*) echo "` + word + ` $2"; pwd >&2; stat -c %y "$2/plan.yaml" >&2;;
esac
`
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// runsOf makes a folder with one run.
func runsOf(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run := filepath.Join(dir, "20260101T000000-x-1")
	if err := os.MkdirAll(filepath.Join(run, "nodes"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"plan.yaml": "workloads:\n  - {name: register}\n", "verdict.json": "old"} {
		if err := os.WriteFile(filepath.Join(run, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Base(run), filepath.Join(dir, "latest")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDifferencesAreFound(t *testing.T) {
	old := pretender(t, "fine", "verdict", "1")
	for _, tc := range []struct {
		name, new string
		excuses   []excuse
		want      string // in the output; empty: the programs are the same
	}{
		{"same", pretender(t, "fine", "verdict", "1"), nil, ""},
		{"stdout", pretender(t, "good", "verdict", "1"), nil, "-fine 20260101T000000-x-1\n  +good"},
		{"file", pretender(t, "fine", `verdict\n`, "1"), nil, "file 20260101T000000-x-1/verdict.json of "},
		{"file is written", pretender(t, "fine", "old", "1"), nil, "-verdict"},
		{"exit code", pretender(t, "fine", "verdict", "2"), nil, "-exit status 1\n  +exit status 2"},
		{"expected", pretender(t, "good", "verdict", "1"),
			[]excuse{{"praise", "stdout of ", regexp.MustCompile("fine"), regexp.MustCompile("good"), "it is better"}}, ""},
		{"expected elsewhere", pretender(t, "good", "verdict", "1"),
			[]excuse{{"praise", "stderr of ", regexp.MustCompile("fine"), regexp.MustCompile("good"), "it is better"}}, "-fine"},
		{"expected on one side", pretender(t, "good", "verdict", "1"),
			[]excuse{{"praise", "", regexp.MustCompile("fine"), regexp.MustCompile("better"), "it is better"}}, "-‹praise›"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out, progress bytes.Buffer
			c := comparison{old: old, new: tc.new, wide: 2, shown: 100, limit: time.Minute, excuses: append(tc.excuses, excuses[:1]...), out: &out, progress: &progress}
			err := c.all(t.Context(), runsOf(t), nil)
			if (err == nil) != (tc.want == "") || !strings.Contains(out.String(), tc.want) {
				t.Errorf("%v, want %q:\n%s%s", err, tc.want, out.String(), progress.String())
			}
			if got := strings.HasSuffix(out.String(), " same, 0 different\n"); got != (tc.want == "") {
				t.Errorf("the last line is wrong:\n%s", out.String())
			}
			if err == nil && strings.Contains(out.String(), "== ") {
				t.Errorf("differences are told where there are none:\n%s", out.String())
			}
		})
	}
}

func TestOneThatDoesNotEndIsNotTheSame(t *testing.T) {
	slow := filepath.Join(t.TempDir(), "aftershock")
	if err := os.WriteFile(slow, []byte("#!/bin/sh\nexec sleep 600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := execute(t.Context(), 50*time.Millisecond, slow, "", nil); err == nil || !strings.Contains(err.Error(), "not done") {
		t.Error(err)
	}
	c := comparison{old: pretender(t, "", "", "0"), new: slow, wide: 1, limit: time.Minute, out: new(bytes.Buffer), progress: new(bytes.Buffer)}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.all(ctx, runsOf(t), nil); err == nil {
		t.Error("a comparison that was cut short passed")
	}
}

func TestExcerptShowsThePlaceInALongLine(t *testing.T) {
	var old strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&old, `"field-%d",`, i)
	}
	now := strings.Replace(old.String(), "field-4000", "another", 1)
	if got := excerpt([]byte(old.String()), []byte(now)); !strings.Contains(got, "-\"field-4000\",\n  +\"another\",") || strings.Count(got, "\n") > maxExcerpt {
		t.Error(got)
	}
	if got := excerpt([]byte("a\xff"), []byte("a\xfe")); !strings.Contains(got, "from byte 1") {
		t.Error(got)
	}
	if got := excerpt(nil, []byte("x")); !strings.Contains(got, "only the new") {
		t.Error(got)
	}
}
