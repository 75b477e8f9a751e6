package workloads

import "github.com/aftershock-chaos/aftershock/history"

// Foretold says why the seed alone does not tell what the workers of a workload did that
// nobody recorded; empty: it does. There a worker's operations follow from those before,
// however they end, and of what it wrote only that counts which somebody saw, by whose
// value it is known how far the worker came.
func Foretold(w Workload) string {
	if f, ok := w.(interface{ foretold() string }); ok {
		return f.foretold()
	}
	return "of this workload each operation counts, whether anybody saw it or not, and it is not known how many it still made"
}

func (w *set) foretold() string       { return "" }
func (w *appends) foretold() string   { return "" }
func (w *ids) foretold() string       { return "" }
func (w *pipelined) foretold() string { return Foretold(w.Workload) }

func (w *register) foretold() string {
	if w.mix.has(history.CAS) {
		return "what its clients wrote depends on what their compare-and-sets met, which nobody tells"
	}
	return ""
}

func (w *ycsb) foretold() string {
	if w.mix.has(readModifyWrite) {
		return "what its clients wrote depends on which of their reads were answered, which nobody tells"
	}
	return ""
}
