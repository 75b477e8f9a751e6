package clock

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

var le = binary.LittleEndian

// image is a vDSO as the kernel maps it. All 64-bit processes of a machine have the same.
type image struct {
	bytes   []byte
	end     uint64            // what follows is of no use to anybody
	entries map[string]uint64 // offsets of its functions, by name
}

// parseImage reads a vDSO, which is an ELF file.
func parseImage(b []byte) (*image, error) {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("read the vDSO: %w", err)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("read the vDSO's functions: %w", err)
	}
	m := &image{bytes: b, entries: map[string]uint64{}}
	for _, s := range symbols {
		if s.Value > 0 && s.Value < uint64(len(b)) {
			m.entries[s.Name] = s.Value
		}
	}
	// The section headers come last; the rest of the page is zero.
	m.end = le.Uint64(b[40:]) + uint64(le.Uint16(b[58:]))*uint64(le.Uint16(b[60:]))
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOBITS {
			m.end = max(m.end, s.Offset+s.FileSize)
		}
	}
	for m.end < uint64(len(b)) && len(bytes.TrimLeft(b[m.end:], "\x00")) > 0 {
		m.end++
	}
	return m, nil
}

// ownImage is that of this process, whose own clock is never touched.
func ownImage() (*image, error) {
	at, err := vdsoOf("/proc/self")
	if err != nil {
		return nil, err
	}
	size, err := sizeOf("/proc/self", at)
	if err != nil {
		return nil, err
	}
	f, err := os.Open("/proc/self/mem")
	if err != nil {
		return nil, fmt.Errorf("read the vDSO: %w", err)
	}
	defer f.Close()
	b := make([]byte, size)
	if _, err := f.ReadAt(b, int64(at)); err != nil {
		return nil, fmt.Errorf("read the vDSO: %w", err)
	}
	return parseImage(b)
}

// errNoVDSO is told of processes without one: those that end just now, and the kernel's.
var errNoVDSO = errors.New("the process has no vDSO")

// sysinfoEHDR is AT_SYSINFO_EHDR of the auxiliary vector, see getauxval(3).
const sysinfoEHDR = 33

// vdsoOf is the address of the vDSO of the process behind a folder of /proc.
func vdsoOf(dir string) (uint64, error) {
	b, err := os.ReadFile(dir + "/auxv")
	if err != nil {
		return 0, err
	}
	for ; len(b) >= 16; b = b[16:] {
		if le.Uint64(b) == sysinfoEHDR {
			return le.Uint64(b[8:]), nil
		}
	}
	return 0, errNoVDSO // or it is a 32-bit program, whose vector has other words
}

// sizeOf is the size of the mapping that begins at an address.
func sizeOf(dir string, at uint64) (uint64, error) {
	maps, err := os.ReadFile(dir + "/maps")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(maps) {
		var from, to uint64
		if n, _ := fmt.Sscanf(string(line), "%x-%x ", &from, &to); n == 2 && from == at {
			return to - from, nil
		}
	}
	return 0, errNoVDSO
}
