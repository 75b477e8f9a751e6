package site

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results/rundir"
	"github.com/aftershock-chaos/aftershock/results/web"
)

// markFile says of a folder that it is an export, and may be replaced by the next one.
const markFile = ".aftershock-site"

// Export writes the pages of a folder of runs into another one, which is replaced as a
// whole. What is there and no export is left alone. It returns how many runs there are.
// Errors wrap ErrInput or ErrInfrastructure, or are the context's.
func Export(ctx context.Context, f *Folder, output string) (runs int, err error) {
	output, err = filepath.Abs(output)
	if err != nil {
		return 0, failure.Infrastructure("find "+output, err)
	}
	if err := f.mayReplace(output); err != nil {
		return 0, err
	}
	all, err := f.Read(ctx)
	if err != nil {
		return 0, err
	}
	temp, err := os.MkdirTemp(filepath.Dir(output), "."+filepath.Base(output)+"-")
	if err != nil {
		return 0, failure.Infrastructure("make a folder for the site", err)
	}
	defer func() {
		if left := os.RemoveAll(temp); left != nil && err == nil {
			err = failure.Infrastructure("remove what the site was made in", left)
		}
	}()
	e := exporter{folder: f, to: filepath.Join(temp, "new")}
	if err := e.all(ctx, all); err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, failure.Infrastructure("write the site", failure.OutOfSpace(err))
	}
	if err := replace(output, e.to, filepath.Join(temp, "old")); err != nil {
		return 0, failure.Infrastructure("put the site in its place", err)
	}
	return len(all.Runs), nil
}

// mayReplace tells whether a folder may be the export's.
func (f *Folder) mayReplace(output string) error {
	real := output
	if resolved, err := filepath.EvalSymlinks(output); err == nil {
		real = resolved
	}
	if inside(f.path, real) {
		return fmt.Errorf("%w: --output %s holds the runs; choose a folder of its own", failure.ErrInput, output)
	}
	info, err := os.Lstat(output)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if parent, err := os.Stat(filepath.Dir(output)); err != nil || !parent.IsDir() {
			return fmt.Errorf("%w: --output %s: there is no folder %s to make it in", failure.ErrInput, output, filepath.Dir(output))
		}
		return nil
	case err != nil:
		return fmt.Errorf("%w: --output: %w", failure.ErrInput, err)
	case !info.IsDir():
		return fmt.Errorf("%w: --output %s is no folder; choose another name, or remove it", failure.ErrInput, output)
	}
	entries, err := os.ReadDir(output)
	if err != nil {
		return fmt.Errorf("%w: --output: %w", failure.ErrInput, err)
	}
	if mark, err := os.Lstat(filepath.Join(output, markFile)); len(entries) == 0 || err == nil && mark.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%w: --output %s holds something else than a site of aftershock; choose another folder, or remove it", failure.ErrInput, output)
}

// inside tells whether a path is a folder or lies below it.
func inside(path, folder string) bool {
	rest, err := filepath.Rel(folder, path)
	return err == nil && rest != ".." && !strings.HasPrefix(rest, ".."+string(filepath.Separator))
}

// replace puts a new folder in the place of an old one.
func replace(path, with, old string) error {
	if err := os.Rename(path, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(with, path); err != nil {
		return errors.Join(err, restore(old, path))
	}
	return nil
}

// restore brings back what was moved away.
func restore(old, path string) error {
	if err := os.Rename(old, path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// exporter writes the files of a site.
type exporter struct {
	folder *Folder
	to     string
}

// write writes one file. It need not be whole at once: nobody sees the folder before all
// of it is there.
func (e *exporter) write(name string, write func(io.Writer) error) error {
	path := filepath.Join(e.to, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	buffer := bufio.NewWriterSize(file, 1<<16)
	return errors.Join(write(buffer), buffer.Flush(), file.Close())
}

func (e *exporter) all(ctx context.Context, c *Content) error {
	runs := c.Runs
	plain := func(text string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
	}
	err := errors.Join(
		e.write(markFile, plain("This folder is made by `aftershock site`, which replaces it as a whole.\n")),
		e.write(".nojekyll", plain("")), // GitHub Pages leaves nothing out then
		e.write(indexFile, func(w io.Writer) error { return writeIndex(w, c) }),
		e.write(compareFile, func(w io.Writer) error { return writeCompare(w, runs) }),
	)
	if err != nil {
		return err
	}
	for _, name := range c.Studies {
		page, err := e.folder.stored(name, studyFile)
		if err != nil {
			return err
		}
		if err := e.write(runsDir+"/"+name+"/"+studyFile, plain(string(page))); err != nil {
			return err
		}
	}
	plans := map[string]bool{}
	for _, r := range runs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.Verdict == nil {
			continue
		}
		if err := e.run(r); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		if plans[r.plan] {
			continue
		}
		plans[r.plan] = true
		if of := ofPlan(runs, r.plan); len(of) > 1 {
			if err := e.write(plansDir+"/"+r.plan+".html", func(w io.Writer) error { return writeTrends(w, of) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// run writes the files of one run. Porcupine's views have scripts of their own, which a
// site that anybody may open had better not publish: a page in their place tells how to
// make them.
func (e *exporter) run(r *Run) error {
	at := runsDir + "/" + r.Name + "/"
	err := e.write(at+rundir.ReportFile, func(w io.Writer) error { return e.folder.writeReport(w, r) })
	for _, name := range []string{rundir.PlanFile, rundir.VerdictFile} {
		err = errors.Join(err, e.write(at+name, func(w io.Writer) error {
			content, err := e.folder.stored(r.Name, name)
			if errors.Is(err, fs.ErrNotExist) {
				return nil // an empty file: a run of a bare history has no plan
			}
			if err == nil {
				_, err = w.Write(content)
			}
			return err
		}))
	}
	for _, name := range r.Drawings {
		err = errors.Join(err, e.write(at+name, func(w io.Writer) error {
			parts, err := web.Told(assets, []string{"site.css"}, nil)
			if err != nil {
				return err
			}
			return execute(w, "drawing.html.tmpl", struct {
				Parts *web.Parts
				Run   string
			}{parts, r.Name})
		}))
	}
	return err
}
