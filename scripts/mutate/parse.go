package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// mutant is one small defect.
type mutant struct {
	id         int // from 1
	list       string
	line       int    // in the list
	file       string // below checkers
	room       string // its folder, the room it is of; "." is checkers itself
	tests      []roomTests
	why        string
	old, new   string
	equivalent string // why it changes nothing that a test could see; empty: it must be caught

	broken string // the file with it
	unfit  string // why it cannot be tried
	alone  bool   // it needs a binary of its own
}

// roomTests are tests of a room, as go test -run names them.
type roomTests struct{ room, names string }

// read reads the mutants of some lists.
func read(lists []string) ([]mutant, error) {
	var all []mutant
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			return nil, err
		}
		more, err := parse(filepath.Base(list), string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", list, err)
		}
		all = append(all, more...)
	}
	return all, nil
}

// parse reads a list of mutants:
//
//	file register/zones.go TestZones all:TestPass   the file below checkers, and the tests that are tried first
//	# what the mutant breaks                        begins a mutant
//	- the exact text that is replaced               once in the file; several lines are one text
//	+ its replacement
//	= why it is equivalent                          only if no test can tell
//
// Tests are of the file's own room, or of the one that is named before them.
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
			words := strings.Fields(rest)
			if len(words) < 2 {
				return nil, fmt.Errorf("line %d: a file is followed by its tests", number)
			}
			at.file, at.room, at.tests = words[0], path.Dir(words[0]), nil
			for _, word := range words[1:] {
				room, names, named := strings.Cut(word, ":")
				if !named {
					room, names = at.room, word
				}
				at.tests = append(at.tests, roomTests{room, names})
			}
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
		if m.file == "" || m.old == "" || m.old == m.new {
			return nil, fmt.Errorf("line %d: the mutant has no file or no change", m.line)
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
