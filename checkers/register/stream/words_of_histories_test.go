package stream

import "github.com/aftershock-chaos/aftershock/checkers/checktest"

// The words in which this package's tests write histories.

const (
	ms           = checktest.Ms
	registerType = checktest.RegisterType
)

type (
	shape = checktest.Shape
)

var (
	cas       = checktest.Cas
	copyOps   = checktest.CopyOps
	fewValues = checktest.FewValues
	key       = checktest.Key
	logOf     = checktest.LogOf
	mutate    = checktest.Mutate
	randomOps = checktest.RandomOps
	read      = checktest.Read
	with      = checktest.With
	write     = checktest.Write
)
