package register

import (
	"context"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/register/reign"
	"github.com/aftershock-chaos/aftershock/history"
)

// checkLinearizable is what the registers' checker tells of linearizability
// alone.
func checkLinearizable(log *history.Log, limits checkers.Limits) checkers.Result {
	return linearizability(checkers.Input{Log: log, Limits: limits}, judgeRegisters(context.Background(), log, reign.Read(log), limits))
}
