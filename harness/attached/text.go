package attached

import (
	"cmp"
	"fmt"
	"strings"
)

// Text is the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "deployment %s (%s), %d nodes\n", r.Called, r.Place, len(r.Nodes))
	for _, n := range r.Nodes {
		fmt.Fprintf(&b, "\n  %s  %s  %s  %s\n", n.Name, n.Addr, cmp.Or(n.Role, "role not told"), cmp.Or(n.Version, "version not told"))
		if n.Detail != "" {
			fmt.Fprintf(&b, "    %s\n", n.Detail)
		}
		for _, s := range n.Settings {
			fmt.Fprintf(&b, "    %-28s %s\n", s.Name, cmp.Or(s.Value, "(empty)"))
			if s.Warning != "" {
				fmt.Fprintf(&b, "    ! %s\n", s.Warning)
			}
		}
	}
	if len(r.Doors) > 0 {
		b.WriteString("\nways in\n")
	}
	for _, d := range r.Doors {
		fmt.Fprintf(&b, "  for the %-8s %s\n", d.Role, cmp.Or(d.Error, "leads to "+d.Leads))
	}
	b.WriteString("\nfaults\n")
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "  %-10s %s\n", f.Kind, cmp.Or(f.Why, "possible"))
	}
	list(&b, "a run creates, and removes in the end", r.Makes)
	list(&b, "the plan breaks, with --break "+r.Called, r.Breaks)
	list(&b, "left by runs that died: `aftershock clean --attach PLAN` removes it", r.Left)
	list(&b, "a run would be refused", r.Wrong)
	return b.String()
}

func list(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, l := range lines {
		fmt.Fprintf(b, "  %s\n", l)
	}
}
