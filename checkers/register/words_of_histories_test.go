package register

import "github.com/aftershock-chaos/aftershock/checkers/checktest"

// The words in which this package's tests write histories.

const (
	counterType  = checktest.CounterType
	ms           = checktest.Ms
	nothing      = checktest.Nothing
	registerType = checktest.RegisterType
)

type (
	change = checktest.Change
	shape  = checktest.Shape
)

var (
	benchmark    = checktest.Benchmark
	bigLog       = checktest.BigLog
	by           = checktest.By
	cas          = checktest.Cas
	classes      = checktest.Classes
	compared     = checktest.Compared
	copyOps      = checktest.CopyOps
	expect       = checktest.Expect
	failed       = checktest.Failed
	faulted      = checktest.Faulted
	fewValues    = checktest.FewValues
	final        = checktest.Final
	finals       = checktest.Finals
	found        = checktest.Found
	healed       = checktest.Healed
	inputOf      = checktest.InputOf
	key          = checktest.Key
	killed       = checktest.Killed
	logOf        = checktest.RunOf
	mutate       = checktest.Mutate
	node         = checktest.Node
	randomOps    = checktest.RandomOps
	read         = checktest.Read
	registerLoad = checktest.RegisterLoad
	scale        = checktest.Scale
	scaleTo      = checktest.ScaleTo
	show         = checktest.Show
	torn         = checktest.Torn
	unknown      = checktest.Unknown
	with         = checktest.With
	write        = checktest.Write
)

var (
	chain = checktest.Chain
	clean = checktest.Clean
	dirty = checktest.Dirty
)
