package lag

import "github.com/aftershock-chaos/aftershock/checkers/checktest"

// The words in which this package's tests write histories.

const (
	lagType      = checktest.LagType
	ms           = checktest.Ms
	registerType = checktest.RegisterType
)

var (
	expect  = checktest.Expect
	failed  = checktest.Failed
	faulted = checktest.Faulted
	inputOf = checktest.InputOf
	logOf   = checktest.LogOf
	mark    = checktest.Mark
	named   = checktest.Named
	node    = checktest.Node
	phase   = checktest.Phase
	poll    = checktest.Poll
	told    = checktest.Told
	torn    = checktest.Torn
	unknown = checktest.Unknown
	warm    = checktest.Warm
)
