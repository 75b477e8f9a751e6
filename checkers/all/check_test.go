package all

import (
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

func check(t testing.TB, log *history.Log) (map[string]checkers.Value, []checkers.Finding) {
	t.Helper()
	return checkWith(t, log, All())
}
