package main

import (
	"fmt"
	"strings"
)

// mutant is one small defect.
type mutant struct {
	id         int // from 1
	list       string
	line       int // in the list
	file       string
	tests      string
	why        string
	old, new   string
	equivalent string // why it changes nothing that a test could see; empty: it must be caught

	source string // of the file
	unfit  string // why it cannot be tried
	alone  bool   // it needs a binary of its own
}

// parse reads a list of mutants:
//
//	file zones.go TestZones|TestDifferential   the file, and the tests that are tried first
//	# what the mutant breaks                   begins a mutant
//	- the exact text that is replaced          once in the file; several lines are one text
//	+ its replacement
//	= why it is equivalent                     only if no test can tell
func parse(list, text string) ([]mutant, error) {
	var all []mutant
	at := mutant{list: list}
	var m *mutant
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(line, "\n")
		mark, rest, _ := strings.Cut(line, " ")
		if m == nil && strings.Contains("-+=", mark) && mark != "" {
			return nil, fmt.Errorf("line %d belongs to no mutant", number)
		}
		switch mark {
		case "":
		case "file":
			at.file, at.tests, _ = strings.Cut(rest, " ")
			m = nil
		case "#":
			at.why, at.line = rest, number
			all = append(all, at)
			m = &all[len(all)-1]
		case "-":
			m.old = joined(m.old, rest)
		case "+":
			m.new = joined(m.new, rest)
		case "=":
			m.equivalent = rest
		default:
			return nil, fmt.Errorf("line %d begins with none of file, #, -, + and =", number)
		}
	}
	for _, m := range all {
		if m.file == "" || m.tests == "" || m.old == "" || m.old == m.new {
			return nil, fmt.Errorf("line %d: the mutant has no file, no tests or no change", m.line)
		}
	}
	return all, nil
}

func joined(text, line string) string {
	if text == "" {
		return line
	}
	return text + "\n" + line
}
