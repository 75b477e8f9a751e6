package rundir

import "github.com/aftershock-chaos/aftershock/results/resultstest"

const (
	ms  = resultstest.Ms
	sec = resultstest.Sec
)
