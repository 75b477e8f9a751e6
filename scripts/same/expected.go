package main

import "regexp"

// excuse is a difference that is meant. What old matches in a text of the old
// program, and new in one of the new program, counts as the same.
type excuse struct {
	name     string
	in       string // the observations that it is for have this in their name; empty: all
	old, new *regexp.Regexp
	why      string
}

// excuses are all that are meant. The first is of the build, not of a change.
var excuses = []excuse{
	{name: "commit", in: "aftershock --version",
		old: regexp.MustCompile(`version \S+ go\S+`), new: regexp.MustCompile(`version \S+ go\S+`),
		why: "the program tells the commit and the Go that it was built of"},
	{name: "target",
		old: regexp.MustCompile(`"target": "[^"]*",`),
		new: regexp.MustCompile(`"target": "[^"]*",(\s*"target_name": "[^"]*",)?(\s*"options": \{[^}]*\},)?`),
		why: "a verdict has the target's name and options as data, beside the words"},
	{name: "course",
		old: regexp.MustCompile(`"torn": (true|false)\s*\}`),
		new: regexp.MustCompile(`"torn": (true|false)\s*\}(,\s*"course": \{[^}]*\})?`),
		why: "a verdict counts a run's operations in sixty parts"},
	{name: "junit", in: "junit",
		old: regexp.MustCompile(`time="0\.000"`),
		new: regexp.MustCompile(`time="[\d.]+"( file="[^"]*")?( line="\d+")?`),
		why: "a test case has its share of the run's time, and its place in the plan"},
	{name: "phase",
		old: regexp.MustCompile(`percentile of the operations intended (before the first fault|while a fault was active|when no fault was active any more)|no \w+ that was intended (before the first fault|while a fault was active|after the faults)`),
		new: regexp.MustCompile(`percentile of the operations that (ended before the first fault|waited or were under way while a fault was in force|no fault touched, after the first fault)|no \w+ (that ended before the first fault|that a fault touched|after the faults)`),
		why: "one rule says which phase an operation belongs to: whether a fault was in force between its intended start and its answer; percentiles of phases move with it"},
	{name: "cut", in: "stdout of",
		old: regexp.MustCompile(`(\S+\s+){0,4}\S*…`), new: regexp.MustCompile(`(\S+\s+){0,4}\S*…`),
		why: "a text that is cut at a width ends elsewhere when a time in it is shorter"},
	{name: "time",
		old: regexp.MustCompile(`-?\d+(\.\d+)? ?(ns|µs|ms|s)\b|\d+m[\d.]+s`), new: regexp.MustCompile(`-?\d+(\.\d+)?(ns|µs|ms|s)\b|\d+m[\d.]+s`),
		why: "times are spelt one way: 12.3ms and 8.013s, no longer 12.3 ms and 8.013 s beside 12.3ms; numbers in verdict.json are compared as they are"},
	{name: "space",
		old: regexp.MustCompile(`\s+`), new: regexp.MustCompile(`\s+`),
		why: "lines break and columns align by the length of times"},
}
