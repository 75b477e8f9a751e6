package study

import "slices"

// Targets are those that the study is of, as they come.
func (s *Study) Targets() []string {
	var all []string
	for _, p := range s.Parts {
		if !slices.Contains(all, p.Target) {
			all = append(all, p.Target)
		}
	}
	return all
}

// Of is the study of one target alone.
func (s *Study) Of(target string) *Study {
	of := *s
	of.Parts = nil
	for _, p := range s.Parts {
		if p.Target == target {
			of.Parts = append(of.Parts, p)
		}
	}
	return &of
}

// Runs is how many runs were made.
func (s *Study) Runs() int {
	n := 0
	for _, p := range s.Parts {
		n += p.Runs
	}
	return n
}
