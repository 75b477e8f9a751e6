// Package results turns a run's history into what people keep of it: the run
// directory, measured facts, histogram logs, judged claims and reports.
package results
