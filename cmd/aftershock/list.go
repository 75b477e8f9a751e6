package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// listing is what one `list` subcommand shows: rows for people, data for machines.
type listing struct {
	about string
	data  func() any
	rows  func(w io.Writer)
}

var listings = []struct {
	name string
	listing
}{
	{"targets", listing{"systems that a plan's target can name", func() any { return targetInfos() }, listTargets}},
	{"workloads", listing{"workloads and their settings", func() any { return workloads.Types() }, listWorkloads}},
	{"faults", listing{"faults and their settings", func() any { return faults.Kinds() }, listFaults}},
	{"facts", listing{"measured values that claims can name", func() any { return results.Facts() }, listFacts}},
	{"bugs", listing{"deliberate defects of the built-in target", func() any { return bugs() }, listBugs}},
}

func listCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List targets, workloads, faults, facts or bugs"}
	format := c.PersistentFlags().String("format", "text", "text or json")
	for _, l := range listings {
		c.AddCommand(&cobra.Command{
			Use: l.name, Short: "List the " + l.about, Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				switch *format {
				case "json":
					encoder := json.NewEncoder(os.Stdout)
					encoder.SetIndent("", "  ")
					return encoder.Encode(l.data())
				case "text":
					w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
					l.rows(w)
					return w.Flush()
				}
				return fmt.Errorf("unknown --format %q; use text or json", *format)
			},
		})
	}
	return c
}

func targetInfos() []targets.Info {
	var infos []targets.Info
	for _, t := range aftershock.Targets() {
		infos = append(infos, t.Info())
	}
	return infos
}

func bugs() []targets.Bug {
	var all []targets.Bug
	for _, info := range targetInfos() {
		all = append(all, info.Bugs...)
	}
	return all
}

func listTargets(w io.Writer) {
	for _, info := range targetInfos() {
		fmt.Fprintf(w, "%s\t%s\n", info.Name, info.About)
		for _, o := range info.Options {
			values := strings.Join(o.Values, "|")
			if len(o.Values) > 6 || values == "" {
				values = "…"
			}
			fmt.Fprintf(w, "  %s: %s\t%s (default %s)\n", o.Name, values, o.About, orNone(o.Default))
		}
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func listFacts(w io.Writer) {
	for _, f := range results.Facts() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Name, f.Unit, f.Meaning)
	}
}

func listBugs(w io.Writer) {
	for _, b := range bugs() {
		fmt.Fprintf(w, "%s\t%s\tshows in %s\n", b.Name, b.About, b.Shows)
	}
}

func listWorkloads(w io.Writer) {
	for _, t := range workloads.Types() {
		fmt.Fprintf(w, "%s\t%s\n", t.Name, t.About)
		for _, f := range t.Fields {
			name := f.Name
			if len(f.Values) > 0 {
				name += ": " + strings.Join(f.Values, "|")
			}
			fmt.Fprintf(w, "  %s\t%s (default %s)\n", name, f.About, orNone(f.Default))
		}
	}
}

func listFaults(w io.Writer) {
	for _, k := range faults.Kinds() {
		fmt.Fprintf(w, "%s: %s\t%s\n", k.Name, strings.Join(k.Victims, "|"), k.About)
		for _, s := range k.Shapes {
			fmt.Fprintf(w, "  %s: %s\t%s\n", s.Name, strings.Join(s.Victims, "|"), s.About)
		}
	}
}
