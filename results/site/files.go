package site

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results/judge"
	"github.com/aftershock-chaos/aftershock/results/report/page"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// mostFile bounds what is read of a file of a run that is shown as it is.
const mostFile = 256 << 20

// stored is a file of a run, or of a study, as it is. It is opened below the folder: no
// link leads out.
func (f *Folder) stored(folder, name string) ([]byte, error) {
	root, err := os.OpenRoot(f.path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	full := filepath.FromSlash(path.Join(folder, name))
	info, err := root.Lstat(full)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > mostFile {
		return nil, fmt.Errorf("%s is no regular file of a usual size", name)
	}
	file, err := root.Open(full)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, mostFile))
}

// writeReport writes a run's report: the one that the run has, if nothing but this
// program's scripts can run in it, else one that is made of the verdict and the history.
// Such a one marks no lost writes and stale reads over time, which takes judging again.
func (f *Folder) writeReport(w io.Writer, r *Run) error {
	if text, err := f.stored(r.Name, rundir.ReportFile); err == nil && page.Guarded(text) {
		_, err := w.Write(text)
		return err
	}
	dir, err := rundir.Open(filepath.Join(f.path, filepath.FromSlash(r.Name)))
	if err != nil {
		return err
	}
	v, err := dir.ReadVerdict()
	if err != nil {
		return err
	}
	in := page.Input{Verdict: v}
	if _, log, err := judge.Timeline(dir, v, f.memory); err == nil {
		in.Log = log
	}
	if err := page.HTML(w, in); err != nil {
		return failure.Infrastructure("write the report of "+r.Name, err)
	}
	return nil
}
