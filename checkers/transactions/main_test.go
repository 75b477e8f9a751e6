package transactions

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/checktest"
	"github.com/aftershock-chaos/aftershock/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// check has this room's checkers judge a log.
func check(t testing.TB, log *history.Log) (map[string]checkers.Value, []checkers.Finding) {
	t.Helper()
	return checktest.CheckWith(t, log, []checkers.Checker{Checker()})
}
