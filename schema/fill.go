package schema

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// None, in a number or duration whose zero is possible but not its default,
// says that zero is meant.
const None = -1

// Fill puts the defaults in place of zeros, and zeros in place of None.
func Fill(slots []Slot) {
	for _, s := range slots {
		if group, ok := s.At.([]Slot); ok {
			Fill(group)
			continue
		}
		if s.Default == "" {
			continue
		}
		if s.Empty() {
			s.fill()
			continue
		}
		if s.Min > 0 {
			continue
		}
		switch to := s.At.(type) {
		case *int:
			if *to == None {
				*to = 0
			}
		case *time.Duration:
			if *to == None {
				*to = 0
			}
		}
	}
}

// fill sets the default. One that cannot be read is a mistake in the table,
// which the tests of every table find.
func (s Slot) fill() {
	if weights, ok := s.At.(*map[string]int); ok {
		*weights = readWeights(s.Name, s.Default)
		return
	}
	if wrong := s.Read(s.Name, s.Default, false); wrong != nil {
		panic(fmt.Sprintf("schema: the default of %s: %s; %s", s.Name, wrong.Message, wrong.Remedy))
	}
}

// readWeights reads a default like {read: 50, write: 50}.
func readWeights(name, text string) map[string]int {
	weights := map[string]int{}
	for pair := range strings.SplitSeq(strings.Trim(text, "{}"), ",") {
		word, number, _ := strings.Cut(pair, ":")
		weight, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil {
			panic(fmt.Sprintf("schema: the default of %s: %v", name, err))
		}
		weights[strings.TrimSpace(word)] = weight
	}
	return weights
}
