package recovery

import (
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/history"
)

const s = int64(1e9)

func phase(at int64, name string) history.Event {
	return history.Event{At: at, Kind: history.EventPhase, Detail: name}
}

func judge(t *testing.T, events ...history.Event) (map[string]checkers.Value, []checkers.Finding) {
	t.Helper()
	log := checktest.LogOf("register", history.Op{Kind: history.Write, Start: 2 * s, End: 3 * s, Outcome: history.Fail, Error: history.ErrNoTarget, Node: -1})
	log.Events = append([]history.Event{phase(s, "measure")}, events...)
	return checktest.CheckWith(t, log, []checkers.Checker{Checker()})
}

func fault(at int64) history.Event {
	return history.Event{At: at, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n1"}}
}

func heal(at int64) history.Event {
	return history.Event{At: at, Kind: history.EventHeal, Fault: "f1", Nodes: []string{"n1"}}
}

func exit(cause history.Cause) history.Event {
	return history.Event{At: 4 * s, Kind: history.EventExit, Node: "n2", Cause: cause, Failed: cause != history.ByFault && cause != history.ByHarness, Detail: "exit code 1", Log: []string{"PANIC: out of luck"}}
}

func TestCrashes(t *testing.T) {
	for _, tc := range []struct {
		cause       history.Cause
		least, most float64
	}{
		{history.ByItself, 1, 1}, {history.ByMemory, 1, 1}, {history.ByNobody, 0, 1}, {"", 0, 1}, // of a run of before
		{history.ByOther, 0, 0}, {history.ByFault, 0, 0}, {history.ByHarness, 0, 0},
	} {
		values, findings := judge(t, exit(tc.cause))
		if least, most := values["server.crashes"].Bounds(); least != tc.least || most != tc.most {
			t.Errorf("an end by %q: %v to %v crashes", tc.cause, least, most)
		}
		if told := len(findings) == 1 && strings.Contains(findings[0].Text, "the server of n2 crashed at 4.000s (exit code 1); it said: PANIC: out of luck"); told != (tc.least == 1) {
			t.Errorf("an end by %q: %+v", tc.cause, findings)
		}
	}
	values, _ := checktest.CheckWith(t, checktest.LogOf("register"), []checkers.Checker{Checker()})
	if values["server.crashes"].Known || values["recovered"].Known {
		t.Errorf("of a history that tells nothing of servers: %+v", values)
	}
}

func TestRecovered(t *testing.T) {
	settled := history.Event{At: 9 * s, Kind: history.EventSettled}
	late := history.Event{At: 9 * s, Kind: history.EventSettled, Since: 8 * s}
	never := history.Event{At: 40 * s, Kind: history.EventSettled, Failed: true, Since: 39 * s, Detail: "no node is primary", Log: []string{"n1 does not answer"}}
	for _, tc := range []struct {
		name            string
		events          []history.Event
		known, yes      bool
		timeKnown       bool
		least, most     float64
		finding, reason string
	}{
		{name: "settled at the first look", events: []history.Event{fault(2 * s), heal(5 * s), settled}, known: true, yes: true, timeKnown: true, most: 4},
		{name: "settled later", events: []history.Event{fault(2 * s), heal(5 * s), late}, known: true, yes: true, timeKnown: true, least: 3, most: 4},
		{name: "no fault", events: []history.Event{settled}, known: true, yes: true, reason: "no fault took effect"},
		{name: "never", events: []history.Event{fault(2 * s), heal(5 * s), never}, known: true, timeKnown: true, least: 35, most: -1,
			finding: "the system did not come back: at 40.000s, 35s after the last fault had ended, no node is primary; n1 does not answer; the last operation of a client to fail, a write at no node, ended at 3.000s with no-target"},
		{name: "never, after a crash", events: []history.Event{fault(2 * s), heal(5 * s), exit(history.ByItself), never}, known: true, timeKnown: true, least: 35, most: -1, finding: "crash"},
		{name: "never, for somebody else", events: []history.Event{fault(2 * s), heal(5 * s), exit(history.ByOther), never}, reason: "the server of n2 ended at 4.000s"},
		{name: "never, with a node lost", events: []history.Event{{At: 6 * s, Kind: history.EventAway, Node: "n3", Detail: "its container was removed"}, never}, reason: "n3 was lost at 6.000s: its container was removed"},
		{name: "cut short", events: []history.Event{fault(2 * s), heal(5 * s)}, reason: "ended before"},
		{name: "a run of before", events: []history.Event{fault(2 * s), heal(5 * s), phase(9*s, "final")}, known: true, yes: true, timeKnown: true, most: 4},
	} {
		values, findings := judge(t, tc.events...)
		recovered, took := values["recovered"], values["recovery.time"]
		if recovered.Known != tc.known || tc.known && (recovered.N != 0) != tc.yes {
			t.Errorf("%s: %+v", tc.name, recovered)
		}
		least, most := took.Bounds()
		if took.Known != tc.timeKnown || took.Known && (least != tc.least*1e9 || tc.most >= 0 && most != tc.most*1e9 || tc.most < 0 && !took.AtLeast) {
			t.Errorf("%s: recovery.time %+v", tc.name, took)
		}
		if !strings.Contains(recovered.Why+took.Why, tc.reason) {
			t.Errorf("%s: the reason is %q, %q", tc.name, recovered.Why, took.Why)
		}
		var texts []string
		for _, f := range findings {
			texts = append(texts, f.Text)
		}
		if text := strings.Join(texts, "\n"); !strings.Contains(text, tc.finding) || (text == "") != (tc.finding == "") {
			t.Errorf("%s: found %q", tc.name, text)
		}
	}
}
