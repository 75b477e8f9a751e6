package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/plans"
)

// completePlans completes plans: files, and those that are shipped.
func completePlans(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	shipped, _ := shippedPlans()
	words := slices.Clone(plans.Names())
	for _, s := range shipped {
		words = append(words, s.plan.Name+"\t"+s.plan.About)
	}
	return beginning(words, begun), cobra.ShellCompDirectiveDefault // and files
}

// completeSet completes the paths of --set.
func completeSet(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	var paths []string
	for _, section := range planKeys() {
		if strings.ContainsAny(section.Path, "[]*") {
			continue // entries of lists are named by their number or name
		}
		for _, f := range section.Fields {
			path := f.Name
			if section.Path != "" {
				path = section.Path + "." + f.Name
			}
			paths = append(paths, path+"=\t"+f.Meaning)
		}
	}
	return beginning(paths, begun), cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// completeHosts completes --host.
func completeHosts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return harness.HostNames(), cobra.ShellCompDirectiveNoFileComp
}

// completeRuns completes run directories.
func completeRuns(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// beginning are the words that begin so.
func beginning(words []string, begun string) (list []string) {
	for _, w := range words {
		if strings.HasPrefix(w, begun) {
			list = append(list, w)
		}
	}
	return list
}

// complete has a flag completed.
func complete(c *cobra.Command, flag string, how func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)) {
	if err := c.RegisterFlagCompletionFunc(flag, how); err != nil {
		panic(err) // the flag is not there: told by the first start of the program
	}
}
