package totals

import "github.com/aftershock-chaos/aftershock/checkers/checktest"

// The words in which this package's tests write histories.

const (
	bankType    = checktest.BankType
	counterType = checktest.CounterType
	idsType     = checktest.IdsType
	ms          = checktest.Ms
)

type (
	change = checktest.Change
)

var (
	by       = checktest.By
	call     = checktest.Call
	compared = checktest.Compared
	els      = checktest.Els
	expect   = checktest.Expect
	failed   = checktest.Failed
	final    = checktest.Final
	finalSee = checktest.FinalSee
	inc      = checktest.Inc
	key      = checktest.Key
	logOf    = checktest.LogOf
	must     = checktest.Must
	node     = checktest.Node
	read     = checktest.Read
	see      = checktest.See
	torn     = checktest.Torn
	unknown  = checktest.Unknown
	warm     = checktest.Warm
)
