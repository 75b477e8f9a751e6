package set

import "github.com/aftershock-chaos/aftershock/checkers/checktest"

// The words in which this package's tests write histories.

const (
	ms        = checktest.Ms
	queueType = checktest.QueueType
	setType   = checktest.SetType
)

var (
	finalSets  = checktest.FinalSets
	add        = checktest.Add
	by         = checktest.By
	classes    = checktest.Classes
	els        = checktest.Els
	expect     = checktest.Expect
	failed     = checktest.Failed
	final      = checktest.Final
	growingSet = checktest.GrowingSet
	key        = checktest.Key
	logOf      = checktest.LogOf
	node       = checktest.Node
	readSet    = checktest.ReadSet
	scale      = checktest.Scale
	setLoad    = checktest.SetLoad
	torn       = checktest.Torn
	unknown    = checktest.Unknown
	warm       = checktest.Warm
	with       = checktest.With
)
