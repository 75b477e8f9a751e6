package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	alltargets "github.com/aftershock-chaos/aftershock/targets/all"
)

//go:embed init.yaml.tmpl
var initTemplate string

func initCommand() *cobra.Command {
	var out, mode string
	c := &cobra.Command{
		Use:   "init TARGET",
		Short: "Write a commented plan for a target, to begin with",
		Long: `Write a plan that asks the first question that people have of a system: does it
keep what it acknowledged when the primary is cut off, and then dies? Every line
says what it is for; change what is not as you run it. Nothing is asked, and a
file that is there already is left alone.`,
		Example: "  aftershock init postgres\n  aftershock init redis --mode wait-1 -o - | less",
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return knownTargets(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error { return initPlan(args[0], mode, out) },
	}
	c.Flags().StringVarP(&out, "out", "o", "", "the file to be made (default: TARGET.yaml; -: standard output)")
	c.Flags().StringVar(&mode, "mode", "", "one of the target's modes, see aftershock list targets TARGET (default: the first with several replicas)")
	return c
}

func knownTargets() (names []string) {
	for _, t := range alltargets.Targets() {
		names = append(names, t.Info().Name)
	}
	return names
}

// initPlan writes the plan.
func initPlan(name, mode, out string) error {
	for _, t := range alltargets.Targets() {
		if t.Info().Name != name {
			continue
		}
		plan, err := planFor(t, mode)
		if err != nil {
			return err
		}
		if out == "-" {
			_, err := fmt.Fprint(stdout, plan)
			return err
		}
		if out == "" {
			out = name + ".yaml"
		}
		return writeNew(out, plan)
	}
	return fmt.Errorf("there is no target %q; %s", spelling.Short(name), spelling.DidYouMean(name, knownTargets()))
}

// writeNew makes a file that is not there.
func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s is there already; name another file with -o", failure.ErrInput, path)
	}
	if err == nil {
		_, err = file.WriteString(text)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	fmt.Fprintf(stdout, "%s is a plan now: look at it, then\n  aftershock run %s\n", path, path)
	return nil
}

// initValues fill the template.
type initValues struct {
	Name, Mode, About string
	Replicas          int
	Options           []initOption
	Others            []targets.Mode
	Operated          bool // the harness fails over
	Workload          string
	Keyed             bool // the workload has keys of registers
	Claims            []initClaim
}

type initOption struct{ Name, Value, About string }

type initClaim struct{ Claim, About string }

// planFor is a plan for a target in one of its modes.
func planFor(t targets.Target, mode string) (string, error) {
	info := t.Info()
	v := initValues{Name: info.Name, About: info.About, Replicas: 2}
	options := map[string]string{}
	if len(info.Modes) > 0 {
		// Who asks about replication has some in mind.
		at := max(0, slices.IndexFunc(info.Modes, func(m targets.Mode) bool { return m.Replicas > 1 }))
		if mode != "" {
			at = slices.IndexFunc(info.Modes, func(m targets.Mode) bool { return m.Name == mode })
		}
		if at < 0 {
			var known []string
			for _, m := range info.Modes {
				known = append(known, m.Name)
			}
			return "", fmt.Errorf("%s has no mode %q; %s", info.Name, spelling.Short(mode), spelling.DidYouMean(mode, known))
		}
		chosen := info.Modes[at]
		v.Mode, v.Replicas, options = chosen.Name, chosen.Replicas, chosen.Options
		v.Others = append(slices.Clone(info.Modes[:at]), info.Modes[at+1:]...)
		if chosen.Kinds != nil {
			info.Kinds = chosen.Kinds
		}
	} else if mode != "" {
		return "", fmt.Errorf("%s has no modes; leave --mode out", info.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		about := ""
		if i := slices.IndexFunc(info.Options, func(f schema.Field) bool { return f.Name == name }); i >= 0 {
			about = info.Options[i].Meaning
		}
		v.Options = append(v.Options, initOption{name, options[name], about})
	}
	system, err := t.Configure(targets.Config{Replicas: v.Replicas, Options: options})
	if err != nil {
		return "", fmt.Errorf("%s in the mode %s: %w", info.Name, v.Mode, err)
	}
	_, v.Operated = system.(targets.Operated)
	v.Workload, v.Keyed, v.Claims = firstQuestion(info)
	var b strings.Builder
	if err := template.Must(template.New("init").Funcs(template.FuncMap{"quote": yamlWord}).Parse(initTemplate)).Execute(&b, v); err != nil {
		return "", err
	}
	return b.String(), nil
}

// firstQuestion is the workload that a target is asked with first, and what is claimed.
func firstQuestion(info targets.Info) (workload string, keyed bool, claims []initClaim) {
	known := workloadsOf(info.Kinds)
	for _, one := range []struct {
		name  string
		keyed bool
		claim initClaim
	}{
		{"register", true, initClaim{"writes.lost == 0", "every write that was acknowledged is there in the end, or was overwritten"}},
		{"set", false, initClaim{"set.lost == 0", "every element whose addition was acknowledged is there in the end"}},
		{"queue", false, initClaim{"queue.lost == 0", "every message that was acknowledged is delivered"}},
	} {
		if slices.Contains(known, one.name) {
			return one.name, one.keyed, []initClaim{one.claim, {"availability.write_gap.max < 10s", "no longer than this goes by without an acknowledged write"}}
		}
	}
	return "register", true, nil
}

// yamlWord is a word as YAML takes it for a text.
func yamlWord(s string) string {
	if s == "" || strings.ContainsAny(s, ":#{}[],&*!|>'\"%@`") || slices.Contains([]string{"on", "off", "yes", "no", "true", "false", "null"}, strings.ToLower(s)) {
		return strconv.Quote(s)
	}
	return s
}
