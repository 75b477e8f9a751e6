package say

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
)

// ClassWords is a class of findings in words, and the fact that counts it; empty where
// there is none.
type ClassWords struct{ One, Many, Fact string }

var classes = map[checkers.Class]ClassWords{
	checkers.LostWrite:         {"lost write", "lost writes", "writes.lost"},
	checkers.Resurrected:       {"write that failed and is there", "writes that failed and are there", "writes.resurrected"},
	checkers.Phantom:           {"value that nobody wrote", "values that nobody wrote", "reads.phantom"},
	checkers.Future:            {"read of a later write", "reads of later writes", "reads.future"},
	checkers.StaleRead:         {"stale read", "stale reads", "reads.stale"},
	checkers.NotLinear:         {"key without a possible order", "keys without a possible order", ""},
	checkers.ReadYourWrites:    {"client did not see its own write", "times clients did not see their own writes", "sessions.read_your_writes"},
	checkers.MonotonicRead:     {"read went back in time", "reads went back in time", "sessions.monotonic_reads"},
	checkers.MonotonicWrite:    {"client's write out of order", "clients' writes out of order", "sessions.monotonic_writes"},
	checkers.WriteAfterRead:    {"write before what it followed", "writes before what they followed", "sessions.writes_follow_reads"},
	checkers.OrderFlip:         {"order on which readers disagree", "orders on which readers disagree", "reads.order_flips"},
	checkers.LostElement:       {"lost element", "lost elements", "set.lost"},
	checkers.Duplicate:         {"element returned twice in one answer", "elements returned twice in one answer", "set.duplicated"},
	checkers.StaleSet:          {"stale read of a set", "stale reads of sets", "set.stale"},
	checkers.Flapping:          {"element that came and went", "elements that came and went", "set.flapping"},
	checkers.Diverged:          {"difference between settled nodes", "differences between settled nodes", ""},
	checkers.LostMessage:       {"lost message", "lost messages", "queue.lost"},
	checkers.DuplicateMessage:  {"message delivered twice", "messages delivered twice", "queue.duplicated"},
	checkers.UnexpectedMessage: {"message that nobody sent", "messages that nobody sent", "queue.unexpected"},
	checkers.ReorderedMessage:  {"message overtaken by another", "messages overtaken by others", "queue.reordered"},
	checkers.NotFIFO:           {"queue without a possible order", "queues without a possible order", ""},
	checkers.Crash:             {"server crash", "server crashes", ""},
	checkers.NotRecovered:      {"part did not recover", "parts did not recover", ""},
	checkers.OutOfBounds:       {"counter out of bounds", "counters out of bounds", "counter.out_of_bounds"},
	checkers.DuplicateID:       {"number given out twice", "numbers given out twice", "ids.duplicated"},
	checkers.WrongTotal:        {"wrong total", "wrong totals", "bank.wrong_total"},
	checkers.Overdrawn:         {"overdrawn account", "overdrawn accounts", "bank.overdrawn"},
}

// Class is a class of findings in words: those of the table, else its own name.
func Class(c checkers.Class) ClassWords {
	words, ok := classes[c]
	if !ok {
		return ClassWords{string(c), string(c), ""}
	}
	return words
}

// CountOf is how many findings of a class there are in all: as the fact says that counts
// them, and at least the kept ones; exact is false where there may be more.
func CountOf(v *results.Verdict, c checkers.Class, kept int) (n int, exact bool) {
	words := Class(c)
	if words.Fact == "" {
		return kept, kept < checkers.DefaultLimits.Findings
	}
	f, ok := v.Fact(words.Fact)
	if !ok || !f.Known || f.N < float64(kept) {
		return kept, false
	}
	return int(f.N), !f.AtLeast
}

// otherWords tells of the gravest of what contradicted itself where nothing was lost.
func otherWords(v *results.Verdict) string {
	if i := v.Isolation; i != nil && i.Not != "" {
		return "transactions were not " + i.Not
	}
	if f, ok := v.Fact("reads.stale"); ok && f.Known && f.N > 0 && !graverThanStale(v) {
		return staleWords(v, f)
	}
	count := map[checkers.Class]int{}
	var first checkers.Class
	for i := range v.Findings {
		c := v.Findings[i].Class
		if count[c]++; first == "" || Gravity(c) < Gravity(first) {
			first = c
		}
	}
	if first == "" {
		return ""
	}
	n, exact := CountOf(v, first, count[first])
	words := Class(first)
	text := Number(float64(n)) + " " + words.Many
	if n == 1 {
		text = "1 " + words.One
	}
	if !exact && n > 1 {
		text = "at least " + text
	}
	return text
}

// graverThanStale tells whether something worse than an old value was read.
func graverThanStale(v *results.Verdict) bool {
	return slices.ContainsFunc(v.Findings, func(f results.Finding) bool {
		return Gravity(f.Class) < Gravity(checkers.NotLinear)
	})
}

func staleWords(v *results.Verdict, stale results.FactValue) string {
	text := Counted(stale) + " " + plural(stale, "read", "reads") + " returned old values"
	if all, ok := v.Fact("reads.ok"); ok && all.Known && all.N > 0 {
		text = fmt.Sprintf("%s of %s reads returned old values", Counted(stale), Number(all.N))
	}
	if most, ok := v.Fact("reads.staleness.max"); ok && most.Known && most.N > 0 {
		text += ", by up to " + Span(cmp.Or(most.AtMost, most.N))
	}
	return text
}

// severity orders the classes: what loses data first, then what shows data that is not
// there, then what shows old data.
var severity = []checkers.Class{
	checkers.LostWrite, checkers.LostElement, checkers.LostMessage, checkers.NotRecovered, checkers.Crash, checkers.Resurrected, checkers.Phantom, checkers.Future,
	checkers.UnexpectedMessage, checkers.Duplicate, checkers.DuplicateMessage, checkers.NotLinear, checkers.Diverged, checkers.StaleRead, checkers.StaleSet,
	checkers.ReadYourWrites, checkers.MonotonicRead, checkers.MonotonicWrite, checkers.WriteAfterRead, checkers.OrderFlip, checkers.Flapping, checkers.ReorderedMessage, checkers.NotFIFO,
}

// Gravity is a class's place among all, the gravest first.
func Gravity(c checkers.Class) int {
	if i := slices.Index(severity, c); i >= 0 {
		return i
	}
	return len(severity)
}
