package harness

import (
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
)

// TestExitCause: who ended a server.
func TestExitCause(t *testing.T) {
	for _, tc := range []struct {
		exit cluster.Exit
		want history.Cause
		says string
	}{
		{cluster.Exit{Code: -1, Signal: "killed", Planned: true, By: "f1"}, history.ByFault, history.Killed},
		{cluster.Exit{Planned: true}, history.ByHarness, "exit code 0"},
		{cluster.Exit{Code: -1, Signal: "killed"}, history.ByOther, "neither by the plan nor by the harness"},
		{cluster.Exit{Code: -1, Signal: "terminated"}, history.ByOther, ""},
		{cluster.Exit{Code: 128 + 9}, history.ByOther, "signal: killed"}, // of a program that starts the server
		{cluster.Exit{Code: 128 + 15}, history.ByOther, "signal: terminated"},
		{cluster.Exit{Code: -1, Signal: "killed", Memory: true}, history.ByMemory, "no memory left"},
		{cluster.Exit{Code: -1, Signal: "segmentation fault"}, history.ByItself, "segmentation fault, by itself"},
		{cluster.Exit{Code: -1, Signal: "aborted"}, history.ByItself, ""},
		{cluster.Exit{Code: 128 + 6}, history.ByItself, "signal: aborted"},
		{cluster.Exit{Code: 1}, history.ByItself, "exit code 1"}, {cluster.Exit{Code: 255}, history.ByItself, "exit code 255"},
		{cluster.Exit{Code: 0}, history.ByNobody, "somebody asked"},
	} {
		if got, words := exitCause(tc.exit); got != tc.want || !strings.Contains(words, tc.says) {
			t.Errorf("%+v: %s (%s), want %s", tc.exit, got, words, tc.want)
		}
	}
}

// TestTelling: the lines that tell why a server ended.
func TestTelling(t *testing.T) {
	trace := "starting\nlistening\nSIGSEGV: segmentation violation\nPC=0x1\n\ngoroutine 1 [running]:\n" + strings.Repeat("main.main()\n", 500)
	for _, tc := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"a\n\n b \nc", []string{"a", "b", "c"}},
		{"1\n2\n3\n4\n5\n6\n7\n", []string{"3", "4", "5", "6", "7"}},
		{"ready\nERROR: relation does not exist\nbye\n", []string{"ERROR: relation does not exist"}},
		{"error: a\nPANIC: could not write: No space left on device\nerror: b\n", []string{"PANIC: could not write: No space left on device"}},
		{trace, []string{"SIGSEGV: segmentation violation"}},
	} {
		if got := telling(tc.text); !slices.Equal(got, tc.want) {
			t.Errorf("%.40q: %q, want %q", tc.text, got, tc.want)
		}
	}
	if got := telling(strings.Repeat("é", 400)); len(got) != 1 || len(got[0]) > tellingBytes || strings.ContainsRune(got[0], '\uFFFD') {
		t.Errorf("a long line: %q", got)
	}
}
