package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// listing is what one `list` subcommand shows: rows for people, data for machines.
type listing struct {
	about string
	data  func(ctx context.Context) any
	rows  func(w io.Writer, data any)
}

// listingOf makes a listing of a list of rows.
func listingOf[T any](about string, data func(context.Context) []T, row func(w io.Writer, t *T)) listing {
	return listing{about, func(ctx context.Context) any { return data(ctx) }, func(w io.Writer, data any) {
		list := data.([]T)
		for i := range list {
			row(w, &list[i])
		}
	}}
}

// always is a list that is the same everywhere.
func always[T any](list func() []T) func(context.Context) []T {
	return func(context.Context) []T { return list() }
}

var listings = []struct {
	name string
	listing
}{
	{"targets", listingOf("systems that a plan's target can name", targetListings, func(w io.Writer, t *targetListing) { t.print(w) })},
	{"workloads", listingOf("workloads and their settings", always(workloads.Types), listWorkload)},
	{"faults", listingOf("faults and their settings", always(faults.Kinds), listFault)},
	{"facts", listingOf("measured values that claims can name", always(results.Facts), listFact)},
	{"bugs", listingOf("deliberate defects of the built-in target", always(bugs), listBug)},
}

func listCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List targets, workloads, faults, facts or bugs"}
	format := c.PersistentFlags().String("format", "text", "text or json")
	for _, l := range listings {
		c.AddCommand(&cobra.Command{
			Use: l.name, Short: "List the " + l.about, Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				data := l.data(c.Context())
				switch *format {
				case "json":
					encoder := json.NewEncoder(os.Stdout)
					encoder.SetIndent("", "  ")
					return encoder.Encode(data)
				case "text":
					w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
					l.rows(w, data)
					return w.Flush()
				}
				return fmt.Errorf("unknown --format %q; use text or json", *format)
			},
		})
	}
	return c
}

// targetListings looks at this machine as well.
func targetListings(ctx context.Context) []targetListing {
	return lookAround(ctx, aftershock.Targets(), engineImages(ctx))
}

func bugs() []targets.Bug {
	var all []targets.Bug
	for _, t := range aftershock.Targets() {
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
	fmt.Fprintf(w, "%s\t%s\t%s\n", f.Name, f.Unit, f.Meaning)
}

func listBug(w io.Writer, b *targets.Bug) {
	fmt.Fprintf(w, "%s\t%s\tshows in %s\n", b.Name, b.About, b.Shows)
}

func listWorkload(w io.Writer, t *workloads.TypeInfo) {
	fmt.Fprintf(w, "%s\t%s\n", t.Name, t.About)
	for _, f := range t.Fields {
		name := f.Name
		if len(f.Values) > 0 {
			name += ": " + strings.Join(f.Values, "|")
		}
		fmt.Fprintf(w, "  %s\t%s (default %s)\n", name, f.About, orNone(f.Default))
	}
}

func listFault(w io.Writer, k *faults.KindInfo) {
	fmt.Fprintf(w, "%s: %s\t%s\n", k.Name, strings.Join(k.Victims, "|"), k.About)
	for _, s := range k.Shapes {
		fmt.Fprintf(w, "  %s: %s\t%s\n", s.Name, strings.Join(s.Victims, "|"), s.About)
	}
}
