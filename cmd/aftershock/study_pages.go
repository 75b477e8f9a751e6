package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/wholefile"
	"github.com/aftershock-chaos/aftershock/results/study"
	"github.com/aftershock-chaos/aftershock/results/study/page"
)

// pagesInto writes the pages of a study into a folder, one for each target. What is there of
// a target of which no run was made stays.
func pagesInto(folder string, s *study.Study) error {
	for _, target := range s.Targets() {
		of := s.Of(target)
		if of.Runs() == 0 {
			continue
		}
		path := filepath.Join(folder, s.Name+"-"+target+".html")
		if err := wholefile.Write(path, 0o644, func(w io.Writer) error { return page.HTML(w, of, nil) }); err != nil {
			return failure.Infrastructure("write a study's page", err)
		}
	}
	return nil
}

// places tells whether there is where to write.
func (f studyFlags) places() error {
	if f.into != "" {
		if _, err := os.Stat(f.into); err != nil {
			return fmt.Errorf("%w: --into: %w; make the file first", failure.ErrInput, err)
		}
	}
	if f.pages == "" {
		return nil
	}
	switch info, err := os.Stat(f.pages); {
	case err != nil:
		return fmt.Errorf("%w: --pages: %w; make the folder first", failure.ErrInput, err)
	case !info.IsDir():
		return fmt.Errorf("%w: --pages: %s is no folder", failure.ErrInput, f.pages)
	}
	return nil
}
