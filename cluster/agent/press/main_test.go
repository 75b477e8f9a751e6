package press_test

import (
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster/agent/internal/nodetest"
)

func TestMain(m *testing.M) { nodetest.Main(m) }
