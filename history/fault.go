package history

import "strings"

// FaultName is what events call a fault: its kind and, after a space, its task or its
// shape if the kind has shapes: "kill", "partition isolate". A kind has no
// space in it. FaultKind is the way back; nobody else takes a name apart.
func FaultName(kind, shape string) string { return strings.TrimSpace(kind + " " + shape) }

// FaultKind is the kind in the name of a fault, the Name of an Event or of a
// Window: "partition" of "partition isolate".
func FaultKind(name string) string {
	kind, _, _ := strings.Cut(name, " ")
	return kind
}
