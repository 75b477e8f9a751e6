package results

import "github.com/aftershock-chaos/aftershock/results/resultstest"

const (
	ms  = resultstest.Ms
	sec = resultstest.Sec
)

var known = resultstest.Known
