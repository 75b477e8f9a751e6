package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/cmd/aftershock/live"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/harness/studies"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/internal/wholefile"
	"github.com/aftershock-chaos/aftershock/plans"
	"github.com/aftershock-chaos/aftershock/results/rundir"
	"github.com/aftershock-chaos/aftershock/results/study"
	"github.com/aftershock-chaos/aftershock/results/study/page"
)

// studyFlags are the flags of `study`.
type studyFlags struct {
	quick   bool
	targets []string
	set     []string
	seed    uint64
	host    string
	out     string
	format  string
	into    string
	pages   string
	quiet   bool
	verbose bool
	summary bool
	memory  memoryFlag
}

func studyCommand() *cobra.Command {
	var f studyFlags
	c := &cobra.Command{
		Use:   "study FILE…",
		Short: "Test sentences that people believe by many runs: one page and one table each",
		Long: `Make the runs that the plans of a file ask for, one plan a target, and tell what
they say of the file's sentence (study: says): measured, does not hold here, no
answer, or that the machine is the limit; how much, and by which evidence. A page
(study.html), a table (study.md) and the data (study.json) are written into the
study's folder, which also has the runs.

What is no file is looked for among the plans that are shipped with aftershock:
replicas is all that are about replicas, replicas/cost one of them.

--summary makes nothing: it tells of studies that were made, whose folders are named,
in one table of sentences and targets, and one of replica counts with what each costs
and buys, which --into writes into a Markdown file; what its tables tell of others
stays. --pages writes their pages anew.

--quick makes fewer and shorter runs, and only those that a decision is about; the
page says so. An interrupt ends the study after the run that goes on; what was
made is judged, and the page says what is missing.

Exit codes: 0 the study was made, whatever it says; 2 it was interrupted, 3 the
input is wrong, 4 runs failed, whose reasons the page has.`,
		Example: `  aftershock study replicas/sync-latency --quick
  aftershock study replicas --target ripple,postgres
  aftershock study my-study.yaml --into docs/ours.md
  aftershock study --summary runs/*-study-* --into README.md`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if f.summary {
				return f.summarize(args)
			}
			return f.run(c.Context(), args)
		},
	}
	c.Flags().BoolVar(&f.quick, "quick", false, "fewer and shorter runs")
	c.Flags().StringSliceVar(&f.targets, "target", nil, "targets to study, separated by commas (default: all that the file has a plan for)")
	c.Flags().StringArrayVar(&f.set, "set", nil, "override a path of the plans, e.g. repeat=12 (repeatable)")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of the first round (0: the plans')")
	c.Flags().StringVar(&f.host, "host", "", "where nodes live: "+orList(harness.HostNames())+" (default: the plans')")
	c.Flags().StringVarP(&f.out, "out", "o", "runs", "folder in which the studies' folders are made")
	c.Flags().StringVar(&f.format, "format", "text", "what to print on standard output: text, markdown or json")
	c.Flags().StringVar(&f.into, "into", "", "write what was measured into this Markdown file as well, between the lines <!-- study NAME: begin --> and end")
	c.Flags().StringVar(&f.pages, "pages", "", "write the pages into this folder as well, as NAME-TARGET.html")
	c.Flags().BoolVar(&f.summary, "summary", false, "tell of studies that were made, whose folders are named")
	c.MarkFlagsMutuallyExclusive("summary", "quick")
	f.memory.register(c)
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no live line")
	c.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "log what the harness does to standard error")
	return c
}

func (f studyFlags) run(ctx context.Context, args []string) error {
	print, ok := map[string]func(io.Writer, ...*study.Study) error{"text": study.Text, "markdown": study.Markdown, "json": study.JSON}[f.format]
	if !ok {
		return fmt.Errorf("unknown --format %q; use text, markdown or json", spelling.Short(f.format))
	}
	known := targetNames()
	for _, name := range f.targets {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown target %q in --target; %s", spelling.Short(name), spelling.DidYouMean(name, known))
		}
	}
	display := live.New(os.Stderr, f.quiet)
	jobs, err := f.jobs(args, display)
	if err != nil {
		return err
	}
	runs, length := 0, time.Duration(0)
	for _, j := range jobs {
		n, t := j.Estimate()
		runs, length = runs+n, length+t
	}
	fmt.Fprintf(os.Stderr, "%s, about %s, about %s\n", units.Plural(len(jobs), "study", "studies"), units.Plural(runs, "run", "runs"), roughly(length))
	var made []*study.Study
	var failures []error
	for i, j := range jobs {
		if ctx.Err() != nil {
			break
		}
		s, err := f.one(ctx, j)
		if err != nil {
			failures = append(failures, err)
			fmt.Fprintln(os.Stderr, "aftershock:", err)
		}
		if s == nil {
			continue
		}
		made = append(made, s)
		if f.format == "text" {
			if i > 0 {
				fmt.Fprintln(stdout)
			}
			if err := print(stdout, s); err != nil {
				return fmt.Errorf("print the study: %w", err)
			}
		}
	}
	if f.format != "text" {
		if err := print(stdout, made...); err != nil {
			return fmt.Errorf("print the studies: %w", err)
		}
	}
	return conclude(nil, failures)
}

// one makes a study and writes its files.
func (f studyFlags) one(ctx context.Context, j *studies.Job) (*study.Study, error) {
	s, dir, err := j.Run(ctx)
	if s == nil {
		return nil, err
	}
	files := map[string]func(io.Writer) error{
		filepath.Join(dir, "study.html"): func(w io.Writer) error { return page.HTML(w, s, reportsFrom(dir)) },
		filepath.Join(dir, "study.md"):   func(w io.Writer) error { return study.Markdown(w, s) },
		filepath.Join(dir, study.File):   func(w io.Writer) error { return study.JSON(w, s) },
	}
	for path, write := range files {
		if wrong := wholefile.Write(path, 0o644, write); wrong != nil {
			err = errors.Join(err, failure.Infrastructure("write the study", wrong))
		}
	}
	if f.pages != "" {
		err = errors.Join(err, pagesInto(f.pages, s))
	}
	if f.into != "" {
		err = errors.Join(err, studyInto(f.into, s))
	}
	fmt.Fprintln(os.Stderr, "study", filepath.Join(dir, "study.html"))
	return s, err
}

// reportsFrom finds the reports of runs by paths from a folder that they are in.
func reportsFrom(folder string) func(run string) string {
	return func(run string) string {
		path, err := relative(folder, run)
		if err != nil || path == ".." || strings.HasPrefix(path, ".."+string(filepath.Separator)) {
			return ""
		}
		to := url.URL{Path: filepath.ToSlash(filepath.Join(path, rundir.ReportFile))}
		return to.String()
	}
}

// relative is a path from a folder, however both are told.
func relative(folder, path string) (string, error) {
	from, err := filepath.Abs(folder)
	to, wrong := filepath.Abs(path)
	if err = errors.Join(err, wrong); err != nil {
		return "", err
	}
	return filepath.Rel(from, to)
}

// studyInto puts a study into a Markdown file.
func studyInto(path string, s *study.Study) error {
	return spliced(path, func(old string) (string, error) { return study.Splice(old, s) })
}

// summarize tells of studies that were made. One that is not finished is left out.
func (f studyFlags) summarize(folders []string) error {
	if err := f.places(); err != nil {
		return err
	}
	var told []*study.Study
	for i, folder := range folders {
		path := filepath.Join(folder, study.File)
		file, err := os.Open(path)
		if info, no := os.Stat(folder); errors.Is(err, fs.ErrNotExist) && no == nil && info.IsDir() && (len(told) > 0 || i < len(folders)-1) {
			fmt.Fprintf(os.Stderr, "left out: %s has no %s yet\n", folder, study.File)
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: %w; --summary takes the folders of studies that were made", failure.ErrInput, err)
		}
		list, err := study.Read(file)
		_ = file.Close() // it was only read
		if err != nil {
			return fmt.Errorf("%w: %s: %w", failure.ErrInput, path, err)
		}
		told = append(told, list...)
	}
	if f.pages != "" {
		for _, s := range told {
			if err := pagesInto(f.pages, s); err != nil {
				return err
			}
		}
	}
	if f.into == "" {
		_, err := io.WriteString(stdout, study.Summary(told))
		return err
	}
	return spliced(f.into, func(old string) (string, error) { return study.SpliceSummary(old, told) })
}

// spliced replaces a part of a Markdown file.
func spliced(path string, splice func(old string) (string, error)) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: write the study: %w", failure.ErrInput, err)
	}
	text, err := splice(string(old))
	if err != nil {
		return fmt.Errorf("%w: write the study into %s: %w", failure.ErrInput, path, err)
	}
	return failure.Infrastructure("write the study into "+path, wholefile.Write(path, 0o644, func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewBufferString(text))
		return err
	}))
}

// jobs are the studies that the arguments name.
func (f studyFlags) jobs(args []string, display *live.Display) ([]*studies.Job, error) {
	set := slices.Clone(f.set)
	if f.seed != 0 {
		set = append(set, fmt.Sprintf("seed=%d", f.seed))
	}
	if f.host != "" {
		set = append(set, "host="+f.host)
	}
	overrides, err := parseOverrides(set)
	if err != nil {
		return nil, err
	}
	if err := f.places(); err != nil {
		return nil, err
	}
	var jobs []*studies.Job
	var wrong []error
	for _, name := range studyFiles(args) {
		list, err := loadPlans(name, overrides)
		if err == nil {
			o := studies.Options{Quick: f.quick, Set: overrides, Targets: f.targets, Command: f.command(name),
				Run:   harness.Options{RunsDir: f.out, Memory: uint64(f.memory), Logger: newLogger(display, f.verbose), Progress: display.Show},
				Watch: func(m studies.Moment) { watchStudy(display, m) }}
			var j *studies.Job
			if j, err = studies.New(name, list, o); err == nil && !j.Empty() {
				jobs, err = append(jobs, j), f.marked(&j.Study)
			}
		}
		wrong = append(wrong, err)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	if len(jobs) == 0 {
		return nil, fmt.Errorf("%w: none of these studies is about %s", failure.ErrInput, orList(f.targets))
	}
	return jobs, nil
}

// marked tells, before anything begins, whether --into has a place for a study.
func (f studyFlags) marked(s *study.Study) error {
	if f.into == "" {
		return nil
	}
	text, err := os.ReadFile(f.into)
	if err == nil {
		_, err = study.Splice(string(text), s)
	}
	if err != nil {
		return fmt.Errorf("%w: --into %s: %w", failure.ErrInput, f.into, err)
	}
	return nil
}

// command makes the study again.
func (f studyFlags) command(file string) string {
	words := []string{"aftershock study", file}
	if f.quick {
		words = append(words, "--quick")
	}
	if len(f.targets) > 0 {
		words = append(words, "--target "+strings.Join(f.targets, ","))
	}
	if f.host != "" {
		words = append(words, "--host "+f.host)
	}
	if f.seed != 0 {
		words = append(words, fmt.Sprintf("--seed %d", f.seed))
	}
	for _, s := range f.set {
		words = append(words, "--set '"+s+"'")
	}
	return strings.Join(words, " ")
}

// studyFiles has the files of shipped folders and of directories in their place.
func studyFiles(args []string) []string {
	var files []string
	for _, arg := range args {
		if info, err := os.Stat(arg); err == nil && info.IsDir() {
			if inside, _ := filepath.Glob(filepath.Join(arg, "*.yaml")); len(inside) > 0 {
				files = append(files, inside...)
				continue
			}
		}
		folder := strings.TrimPrefix(strings.TrimSuffix(filepath.ToSlash(arg), "/"), "plans/") + "/"
		shipped := slices.DeleteFunc(plans.Names(), func(name string) bool { return !strings.HasPrefix(name, folder) })
		if len(shipped) == 0 {
			shipped = []string{arg}
		}
		files = append(files, shipped...)
	}
	return files
}

// watchStudy shows how far the study is.
func watchStudy(display *live.Display, m studies.Moment) {
	if m.Ended {
		display.Clear()
		return
	}
	j := job{name: m.Cell.Plan.Name, left: ", about " + roughly(m.Left) + " left"}
	for _, s := range m.Cell.Settings {
		j.varied = append(j.varied, plan.Override(s))
	}
	display.Begin(j.told(m.Made+1, max(m.All, m.Made+1)))
}

// roughly is a time for people who wait.
func roughly(d time.Duration) string {
	if d < time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(10 * time.Second).String()
}

func targetNames() []string {
	var names []string
	for _, t := range harness.Words().Targets {
		names = append(names, t.Info().Name)
	}
	return names
}
