package availability

import "github.com/aftershock-chaos/aftershock/checkers/checktest"

// The words in which this package's tests write histories.

const (
	appendType   = checktest.AppendType
	bankType     = checktest.BankType
	counterType  = checktest.CounterType
	idsType      = checktest.IdsType
	lagType      = checktest.LagType
	ms           = checktest.Ms
	registerType = checktest.RegisterType
	setType      = checktest.SetType
)

var (
	benchmark = checktest.Benchmark
	by        = checktest.By
	call      = checktest.Call
	cas       = checktest.Cas
	compared  = checktest.Compared
	expect    = checktest.Expect
	failed    = checktest.Failed
	faulted   = checktest.Faulted
	final     = checktest.Final
	healed    = checktest.Healed
	killed    = checktest.Killed
	logOf     = checktest.LogOf
	must      = checktest.Must
	phase     = checktest.Phase
	primary   = checktest.Primary
	read      = checktest.Read
	unknown   = checktest.Unknown
	warm      = checktest.Warm
	write     = checktest.Write
)

var (
	clean = checktest.Clean
)
