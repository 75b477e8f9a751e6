package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	alltargets "github.com/aftershock-chaos/aftershock/targets/all"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// listing is what one `list` subcommand shows: rows for people, data for machines.
type listing struct {
	about string
	// data is the whole list, or what of it has one of these names.
	data func(ctx context.Context, names []string) (any, error)
	rows func(w io.Writer, data any)
	// names are what can be asked for.
	names func(ctx context.Context) []string
}

// listingOf makes a listing of a list of rows, each of which goes by some names.
func listingOf[T any](about string, data func(context.Context) ([]T, error), called func(*T) []string, row func(w io.Writer, t *T)) listing {
	names := func(list []T) (all []string) {
		for i := range list {
			all = append(all, called(&list[i])...)
		}
		return all
	}
	return listing{
		about: about,
		data: func(ctx context.Context, wanted []string) (any, error) {
			list, err := data(ctx)
			if err != nil || len(wanted) == 0 {
				return list, err
			}
			known := names(list)
			for _, word := range wanted {
				if !slices.Contains(known, word) {
					return nil, fmt.Errorf("nothing here is called %q; %s", spelling.Short(word), spelling.DidYouMean(word, known))
				}
			}
			return slices.DeleteFunc(list, func(t T) bool {
				return !slices.ContainsFunc(called(&t), func(name string) bool { return slices.Contains(wanted, name) })
			}), nil
		},
		rows: func(w io.Writer, data any) {
			list := data.([]T)
			for i := range list {
				row(w, &list[i])
			}
		},
		names: func(ctx context.Context) []string {
			list, _ := data(ctx)
			return names(list)
		},
	}
}

// always is a list that is the same everywhere.
func always[T any](list func() []T) func(context.Context) ([]T, error) {
	return func(context.Context) ([]T, error) { return list(), nil }
}

var listings = []struct {
	name string
	listing
}{
	{"plans", listingOf("plans that are shipped with aftershock; run takes their name or file", func(context.Context) ([]planListing, error) { return planListings() }, func(p *planListing) []string { return []string{p.Name, p.File} }, listPlan)},
	{"targets", listingOf("systems that a plan's target can name", targetListings, func(t *targetListing) []string { return []string{t.Name} }, func(w io.Writer, t *targetListing) { t.print(w) })},
	{"plan", listingOf("keys that a plan can have, with their values, what holds without them, and what they mean", always(planKeys), func(s *plan.Section) []string { return []string{s.Of, s.Path} }, listSection)},
	{"workloads", listingOf("workloads and their settings", always(workloads.Types), func(t *workloads.TypeInfo) []string { return []string{t.Name} }, listWorkload)},
	{"faults", listingOf("faults and their settings", always(faults.Kinds), func(k *faults.KindInfo) []string { return []string{k.Name} }, listFault)},
	{"facts", listingOf("measured values that claims can name", always(claims.Facts), func(f *checkers.Fact) []string { return []string{f.Name} }, listFact)},
	{"bugs", listingOf("deliberate defects of the built-in target", always(bugs), func(b *targets.Bug) []string { return []string{b.Name} }, listBug)},
}

func listCommand() *cobra.Command {
	var kinds []string
	for _, l := range listings {
		kinds = append(kinds, l.name)
	}
	c := &cobra.Command{
		Use: "list", Short: "List plans, targets, the keys of a plan, workloads, faults, facts or bugs", Args: cobra.ArbitraryArgs,
		Example: "  aftershock list targets\n  aftershock list targets postgres\n  aftershock list faults kill partition",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return fmt.Errorf("there is no list of %q; %s", spelling.Short(args[0]), spelling.DidYouMean(args[0], kinds))
		},
	}
	format := c.PersistentFlags().String("format", "text", "text or json; of plan json-schema as well")
	for _, l := range listings {
		c.AddCommand(&cobra.Command{
			Use: l.name + " [NAME…]", Short: "List the " + l.about,
			ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
				return without(l.names(c.Context()), args), cobra.ShellCompDirectiveNoFileComp
			},
			RunE: func(c *cobra.Command, args []string) error {
				data, err := l.data(c.Context(), args)
				if err != nil {
					return err
				}
				switch {
				case *format == "json":
					return printJSON(data)
				case *format == "text":
					w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
					l.rows(w, data)
					return w.Flush()
				case l.name != "plan":
					return fmt.Errorf("unknown --format %q; use text or json", *format)
				case *format == "json-schema":
					return printJSON(plan.JSONSchema(harness.Words()))
				}
				return fmt.Errorf("unknown --format %q; use text, json or json-schema", *format)
			},
		})
	}
	return c
}

// without is a list without some words.
func without(list, words []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == "" || slices.Contains(words, s) })
}

func printJSON(data any) error {
	encoder := json.NewEncoder(stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(data)
}

func planKeys() []plan.Section { return plan.Reference(harness.Words()) }

func listSection(w io.Writer, s *plan.Section) {
	name := s.Of
	if s.Path != "" && s.Path != s.Of {
		name += " (" + s.Path + ")"
	}
	fmt.Fprintf(w, "%s: %s\n", name, orNone(s.About))
	for _, f := range s.Fields {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", f.Name, f.Values(), orNone(f.LeftOut()), f.Told())
	}
	fmt.Fprintln(w)
}

// targetListings looks at this machine as well.
func targetListings(ctx context.Context) ([]targetListing, error) {
	return lookAround(ctx, alltargets.Targets(), engineImages(ctx)), nil
}

func bugs() []targets.Bug {
	var all []targets.Bug
	for _, t := range alltargets.Targets() {
		all = append(all, t.Info().Bugs...)
	}
	return all
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func listFact(w io.Writer, f *checkers.Fact) {
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Name, f.Unit, betterWords[f.Better], f.Meaning)
}

// betterWords tell which values of a fact are better.
var betterWords = map[checkers.Better]string{checkers.Lower: "lower is better", checkers.Higher: "higher is better", checkers.Neither: "-"}

func listBug(w io.Writer, b *targets.Bug) {
	fmt.Fprintf(w, "%s\t%s\tshows in %s\n", b.Name, b.About, b.Shows)
}

func listWorkload(w io.Writer, t *workloads.TypeInfo) {
	fmt.Fprintf(w, "%s\t%s\n", t.Name, t.About)
	for _, f := range t.Keys {
		name := f.Name
		if len(f.Words) > 0 {
			name += ": " + strings.Join(f.Words, "|")
		}
		fmt.Fprintf(w, "  %s\t%s (default %s)\n", name, f.Meaning, orNone(f.Assumed()))
	}
}

func listFault(w io.Writer, k *faults.KindInfo) {
	fmt.Fprintf(w, "%s: %s\t%s\n", k.Name, strings.Join(k.Victims, "|"), k.About)
	for _, s := range k.Shapes {
		fmt.Fprintf(w, "  %s: %s\t%s\n", s.Name, strings.Join(s.Victims, "|"), s.About)
	}
	kind, _ := faults.Lookup(k.Name)
	for _, f := range schema.Fields(kind.Keys) {
		fmt.Fprintf(w, "  %s: %s\t%s (%s)\n", f.Name, f.Values(), f.Told(), orNone(f.LeftOut()))
	}
}
