package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/targets"
	alltargets "github.com/aftershock-chaos/aftershock/targets/all"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// listing is what one `list` subcommand shows: rows for people, data for machines.
type listing struct {
	about string
	data  func(ctx context.Context) (any, error)
	rows  func(w io.Writer, data any)
}

// listingOf makes a listing of a list of rows.
func listingOf[T any](about string, data func(context.Context) ([]T, error), row func(w io.Writer, t *T)) listing {
	return listing{about, func(ctx context.Context) (any, error) { return data(ctx) }, func(w io.Writer, data any) {
		list := data.([]T)
		for i := range list {
			row(w, &list[i])
		}
	}}
}

// always is a list that is the same everywhere.
func always[T any](list func() []T) func(context.Context) ([]T, error) {
	return func(context.Context) ([]T, error) { return list(), nil }
}

var listings = []struct {
	name string
	listing
}{
	{"plans", listingOf("plans that are shipped with aftershock; run takes their name or file", func(context.Context) ([]planListing, error) { return planListings() }, listPlan)},
	{"targets", listingOf("systems that a plan's target can name", targetListings, func(w io.Writer, t *targetListing) { t.print(w) })},
	{"plan", listingOf("keys that a plan can have, with their values, what holds without them, and what they mean", always(planKeys), listSection)},
	{"workloads", listingOf("workloads and their settings", always(workloads.Types), listWorkload)},
	{"faults", listingOf("faults and their settings", always(faults.Kinds), listFault)},
	{"facts", listingOf("measured values that claims can name", always(claims.Facts), listFact)},
	{"bugs", listingOf("deliberate defects of the built-in target", always(bugs), listBug)},
}

func listCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List plans, targets, the keys of a plan, workloads, faults, facts or bugs"}
	format := c.PersistentFlags().String("format", "text", "text or json; of plan json-schema as well")
	for _, l := range listings {
		c.AddCommand(&cobra.Command{
			Use: l.name, Short: "List the " + l.about, Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				data, err := l.data(c.Context())
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
}
