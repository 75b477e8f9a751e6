package clock

import (
	"errors"
	"fmt"
	"runtime"
)

// hook is what is written into a vDSO: the same for each process of a machine.
type hook struct {
	at      uint64  // offset of body
	body    []byte  // its head, see params.go, and code
	patches []patch // of the entries, once the body is there
}

// patch leads one function to the hook's code.
type patch struct {
	at  uint64 // offset
	old []byte
	new []byte
	// unsafe is how many bytes from at on are instructions that the patch breaks
	// apart: no thread may be about to go on behind the first of them.
	unsafe uint64
}

// lineSize is where code begins, for the processor's sake.
const lineSize = 64

// errNoRoom says that the kernel's vDSO has no unused end that is large enough.
var errNoRoom = errors.New("the kernel's vDSO has no room left in its last page")

// errNoClock says that the vDSO is not what is known of its architecture's.
var errNoClock = errors.New("the kernel's vDSO does not tell the time")

// newHook makes the hook for a vDSO of an architecture, as Go names it.
func newHook(m *image, architecture string) (*hook, error) {
	h := &hook{at: (m.end + lineSize - 1) &^ (lineSize - 1)}
	var err error
	switch architecture {
	case "amd64":
		err = h.x86(m)
	case "arm64":
		err = h.arm(m)
	default:
		err = fmt.Errorf("clocks of %s processors cannot be shifted", architecture)
	}
	if err != nil {
		return nil, err
	}
	if h.at+uint64(len(h.body)) > uint64(len(m.bytes)) {
		return nil, fmt.Errorf("%w: %d bytes of %d are used, %d are needed", errNoRoom, m.end, len(m.bytes), len(h.body))
	}
	return h, nil
}

// hookHere makes the hook for this machine.
func hookHere() (*hook, error) {
	m, err := ownImage()
	if err != nil {
		return nil, err
	}
	return newHook(m, runtime.GOARCH)
}

// patchTo keeps what a patch replaces.
func (h *hook) patchTo(m *image, at uint64, jump []byte, unsafe int) {
	h.patches = append(h.patches, patch{at: at, old: m.bytes[at : at+uint64(len(jump))], new: jump, unsafe: uint64(unsafe)})
}
