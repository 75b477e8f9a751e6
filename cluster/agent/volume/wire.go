package volume

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume/undo"
)

// EnvHelper is set in a helper's environment alone; it holds a setup as JSON.
const EnvHelper = "AFTERSHOCK_VOLUME_HELPER"

// controlFD is the helper's end of the socket to its agent.
const controlFD = 3

// setup is what a helper is to serve.
type setup struct {
	At     string         `json:"at"`     // the data directory
	Beside string         `json:"beside"` // where its contents really are
	Volume cluster.Volume `json:"volume"`
	NoSync bool           `json:"no_sync,omitempty"`
}

// What an agent asks its helper for.
const (
	askCut    = "cut"    // close the gate: nothing takes effect any more
	askAway   = "away"   // take the volume away, whoever uses it
	askBack   = "back"   // roll back, and put it into place again
	askSick   = "sick"   // begin a fault
	askWell   = "well"   // end it
	askFlip   = "flip"   // flip bits
	askFigure = "figure" // tell figures
	askAge    = "age"    // take what is there for durable
)

type request struct {
	Ask  string        `json:"ask"`
	ID   string        `json:"id,omitempty"`
	Loss cluster.Loss  `json:"loss"`
	Sick *cluster.Sick `json:"sick,omitempty"`
	Bits *cluster.Bits `json:"bits,omitempty"`
	Seed uint64        `json:"seed,omitempty"`
}

type answer struct {
	Error   string     `json:"error,omitempty"`
	Lost    undo.Lost  `json:"lost"`
	Stats   undo.Stats `json:"stats"`
	Failed  uint64     `json:"failed,omitempty"`
	Delayed uint64     `json:"delayed,omitempty"`
	Flipped int        `json:"flipped,omitempty"`
	Changed bool       `json:"changed,omitempty"`
}

// HelperAsked tells whether this process was started to be a helper.
func HelperAsked() bool { return os.Getenv(EnvHelper) != "" }

func readSetup() (setup, error) {
	var s setup
	if err := json.Unmarshal([]byte(os.Getenv(EnvHelper)), &s); err != nil {
		return s, fmt.Errorf("environment variable %s: %w", EnvHelper, err)
	}
	return s, nil
}
