package all

import "github.com/aftershock-chaos/aftershock/checkers/checktest"

// The words in which this package's tests write histories.

const (
	ms           = checktest.Ms
	appendType   = checktest.AppendType
	bankType     = checktest.BankType
	counterType  = checktest.CounterType
	idsType      = checktest.IdsType
	lagType      = checktest.LagType
	queueType    = checktest.QueueType
	registerType = checktest.RegisterType
	setType      = checktest.SetType
)

var (
	drain     = checktest.Drain
	els       = checktest.Els
	enqueue   = checktest.Enqueue
	failed    = checktest.Failed
	primary   = checktest.Primary
	readSet   = checktest.ReadSet
	warm      = checktest.Warm
	finalSets = checktest.FinalSets
	add       = checktest.Add
	benchmark = checktest.Benchmark
	bigLog    = checktest.BigLog
	by        = checktest.By
	call      = checktest.Call
	cas       = checktest.Cas
	checkWith = checktest.CheckWith
	copyOps   = checktest.CopyOps
	expect    = checktest.Expect
	faulted   = checktest.Faulted
	final     = checktest.Final
	finals    = checktest.Finals
	healed    = checktest.Healed
	key       = checktest.Key
	killed    = checktest.Killed
	logOf     = checktest.LogOf
	mark      = checktest.Mark
	mutate    = checktest.Mutate
	node      = checktest.Node
	phase     = checktest.Phase
	read      = checktest.Read
	told      = checktest.Told
	txnOf     = checktest.TxnOf
	unknown   = checktest.Unknown
	with      = checktest.With
	write     = checktest.Write
)

var (
	dirty = checktest.Dirty
)
