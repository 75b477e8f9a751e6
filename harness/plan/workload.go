package plan

import (
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads"
)

func workloadNames() []string {
	var names []string
	for _, t := range workloads.Types() {
		names = append(names, t.Name)
	}
	return names
}

// workload reads one entry of workloads. Which keys it may have depends on its
// type, which is its name where no type is given.
func (d *decoder) workload(n *yamltree.Node, path string) workloads.Spec {
	var s workloads.Spec
	if !d.isEntry(n, path, "a workload", "{name: register, rate: 2000/s}") {
		return s
	}
	info, ok := d.workloadType(n, path)
	if !ok {
		return s
	}
	s.Type = info.Name
	d.object(n, path, "the workload "+info.Name, "{name: register}", d.fields(schema.Slots(workloadKeys(info), &s)))
	return s
}

// workloadType finds the type; the error stands at the word that is wrong.
func (d *decoder) workloadType(n *yamltree.Node, path string) (workloads.TypeInfo, bool) {
	names := workloadNames()
	key, ok := n.Child("type")
	if !ok {
		key, ok = n.Child("name")
	}
	if !ok {
		d.wrong(n, path, "the workload has no name", "add name: "+strings.Join(names, ", name: ")+", or one of your own with a type")
		return workloads.TypeInfo{}, false
	}
	word, ok := d.scalar(key.Value, schema.Join(path, key.Name), "one word", names[0])
	if !ok {
		return workloads.TypeInfo{}, false
	}
	for _, t := range workloads.Types() {
		if t.Name == word {
			return t, true
		}
	}
	message, remedy := fmt.Sprintf("unknown workload type %q", spelling.Short(word)), spelling.DidYouMean(word, names)
	if key.Name == "name" {
		message = fmt.Sprintf("unknown workload %q", spelling.Short(word))
		if _, near := spelling.Nearest(word, names); !near {
			remedy = "give it a type besides its own name: " + strings.Join(names, ", ")
		}
	}
	d.wrong(key.Value, schema.Join(path, key.Name), message, remedy)
	return workloads.TypeInfo{}, false
}
