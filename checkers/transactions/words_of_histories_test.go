package transactions

import "github.com/aftershock-chaos/aftershock/checkers/checktest"

// The words in which this package's tests write histories.

const (
	appendType = checktest.AppendType
)

var (
	benchmark = checktest.Benchmark
	classes   = checktest.Classes
	expect    = checktest.Expect
	failed    = checktest.Failed
	inputOf   = checktest.InputOf
	logOf     = checktest.LogOf
	must      = checktest.Must
	show      = checktest.Show
	torn      = checktest.Torn
	txnOf     = checktest.TxnOf
)
