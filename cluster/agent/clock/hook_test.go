package clock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"
	"golang.org/x/arch/x86/x86asm"
)

// made is a vDSO with functions at 0x100, 0x200 and 0x300.
func made(arm bool, texts ...[]byte) *image {
	m := &image{bytes: make([]byte, 8192), end: 0x1001, entries: map[string]uint64{}}
	names := []string{"__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time"}
	if arm {
		names = []string{"__kernel_clock_gettime", "__kernel_gettimeofday"}
	}
	for i, text := range texts {
		at := uint64(0x100 * (i + 1))
		m.entries[names[i]] = at
		copy(m.bytes[at:], text)
	}
	return m
}

var endbr = []byte{0xf3, 0x0f, 0x1e, 0xfa}

// x86Text disassembles code at an offset, a line an instruction.
func x86Text(t *testing.T, b []byte, at uint64) string {
	t.Helper()
	var text strings.Builder
	for len(b) > 0 {
		if bytes.HasPrefix(b, endbr) {
			text.WriteString("endbr64\n")
			b, at = b[4:], at+4
			continue
		}
		i, err := x86asm.Decode(b, 64)
		if err != nil {
			t.Fatalf("% x: %v", b, err)
		}
		text.WriteString(strings.ReplaceAll(x86asm.GNUSyntax(i, at, nil), "  ", " ") + "\n")
		b, at = b[i.Len:], at+uint64(i.Len)
	}
	return text.String()
}

func TestX86Hook(t *testing.T) {
	// push rbp; lea r10,[rip+0x10]; …; ret, and push rbp; mov rbp,rsp; push rsi; ret
	m := made(false, []byte{0x55, 0x4c, 0x8d, 0x15, 0x10, 0, 0, 0, 0x90, 0xc3}, append(bytes.Clone(endbr), 0x55, 0xc3), []byte{0xb8, 1, 0, 0, 0, 0xc3})
	h, err := newHook(m, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	if h.at != 0x1040 || len(h.body) > 512 || current(h.body) != (params{}) {
		t.Errorf("body at %#x, %d bytes", h.at, len(h.body))
	}
	for i, want := range []struct {
		at     uint64
		unsafe uint64
	}{{0x100, 8}, {0x200, 5}, {0x300, 5}} {
		p := h.patches[i]
		if p.at != want.at || p.unsafe != want.unsafe || !bytes.Equal(p.old, m.bytes[p.at:p.at+5]) || p.new[0] != 0xe9 {
			t.Errorf("patch %d: %+v", i, p)
		}
		to := p.at + 5 + uint64(int64(int32(binary.LittleEndian.Uint32(p.new[1:]))))
		if to < h.at+headSize || to >= h.at+uint64(len(h.body)) {
			t.Errorf("patch %d leads to %#x", i, to)
		}
	}
	text := x86Text(t, h.body[headSize:], h.at+headSize)
	t.Log("\n" + text)
	// What lea pointed to was 0x100+8+0x10, and is so still.
	if want := "push %rbp\nlea -0x1000(%rip),%r10\njmpq 0x108\n"; !strings.HasPrefix(text, want) {
		t.Errorf("the original does not begin with\n%s", want)
	}
}

func TestX86Refuses(t *testing.T) {
	push := []byte{0x55, 0x48, 0x89, 0xe5, 0x90, 0xc3}
	for want, text := range map[string][]byte{
		"cannot be moved": {0x31, 0xc0, 0xc3, 0x90, 0x90},                         // ret within
		"jumps back":      {0x55, 0x90, 0x90, 0x90, 0x90, 0x90, 0xeb, 0xfa, 0xc3}, // jmp to entry+2
		"is not known":    {0x06, 0x06, 0x06, 0x06, 0x06},
	} {
		if _, err := newHook(made(false, text, push, push), "amd64"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("% x: %v, want %q", text, err, want)
		}
	}
	full := made(false, push)
	full.end = 8192 - 64
	if _, err := newHook(full, "amd64"); !errors.Is(err, errNoRoom) {
		t.Errorf("no room: %v", err)
	}
	if _, err := newHook(made(false), "amd64"); !errors.Is(err, errNoClock) {
		t.Errorf("no clock: %v", err)
	}
	if _, err := newHook(made(false, push), "riscv64"); err == nil || !strings.Contains(err.Error(), "riscv64") {
		t.Errorf("riscv64: %v", err)
	}
}

// TestArmHook holds the words to what a disassembler reads in them.
func TestArmHook(t *testing.T) {
	stp := []byte{0xfd, 0x7b, 0xbe, 0xa9, 0x1f, 0x20, 0x03, 0xd5} // stp x29,x30,[sp,#-32]!; nop
	bti := append([]byte{0x5f, 0x24, 0x03, 0xd5}, stp...)
	h, err := newHook(made(true, stp, bti), "arm64")
	if err != nil {
		t.Fatal(err)
	}
	if len(h.patches) != 2 || h.patches[0].at != 0x100 || h.patches[1].at != 0x204 {
		t.Fatalf("patches %+v: one at the entry, one behind the landing pad", h.patches)
	}
	var lines []string
	for b := h.body[headSize:]; len(b) > 0; b = b[4:] {
		i, err := arm64asm.Decode(b)
		if err != nil {
			t.Fatalf("after %q, % x: %v", lines, b[:4], err)
		}
		lines = append(lines, strings.ToLower(i.String()))
	}
	want := `stp x29, x30, [sp,#-32]!
b .+0xffffffffffffeff0
stp x29, x30, [sp,#-32]!
mov x29, sp
stp x0, x1, [sp,#16]
bl .+0xffffffffffffffec
ldp x2, x1, [sp,#16]
ldp x29, x30, [sp],#32
cbnz w0, .+0x70
cmp w2, #0xb
b hi, .+0x68
mov w3, #0x921
lsr w3, w3, w2
tbz w3, #0, .+0x5c
ldp x4, x5, [x1]
mov w6, #0xca00
movk w6, #0x3b9a, lsl #16
madd x4, x4, x6, x5
adr x7, .+0xfffffffffffffee8
ldrb w8, [x7,#8]
add x7, x7, x8
ldp x9, x10, [x7,#16]
ldr x11, [x7,#32]
sub x11, x4, x11
mul x12, x11, x10
smulh x13, x11, x10
extr x12, x13, x12, #32
add x4, x4, x9
add x4, x4, x12
sdiv x5, x4, x6
msub x8, x5, x6, x4
tbz x8, #63, .+0xc
add x8, x8, x6
sub x5, x5, #0x1
stp x5, x8, [x1]
mov w0, #0x0
ret x30
stp x29, x30, [sp,#-32]!
b .+0xfffffffffffff060
stp x29, x30, [sp,#-32]!
mov x29, sp
stp x0, x1, [sp,#16]
cbz x1, .+0xc
bl .+0xffffffffffffffe8
cbnz w0, .+0x30
ldr x1, [sp,#16]
cbz x1, .+0x24
mov w0, #0x0
bl .+0xffffffffffffff48
cbnz w0, .+0x1c
ldr x1, [sp,#16]
ldr x2, [x1,#8]
mov w3, #0x3e8
udiv x2, x2, x3
str x2, [x1,#8]
mov w0, #0x0
ldp x29, x30, [sp],#32
ret x30`
	got := strings.Join(lines, "\n")
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestArmRefuses(t *testing.T) {
	for name, w := range map[string]uint32{"adr": 0x10000000, "adrp": 0x90000000, "ldr literal": 0x58000040, "b": 0x14000001, "bl": 0x94000001, "cbz": 0xb4000040, "tbz": 0x36000040, "b.eq": 0x54000040, "ret": 0xd65f03c0} {
		if _, err := newHook(made(true, binary.LittleEndian.AppendUint32(nil, w)), "arm64"); err == nil || !strings.Contains(err.Error(), "cannot be moved") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, w := range map[string]uint32{"nop": 0xd503201f, "stp": 0xa9be7bfd, "sub": 0xd10083ff, "cmp": 0x7100401f, "ldr": 0xf9400be1, "mov": 0x52800000} {
		if placed(w) {
			t.Errorf("%s can be moved", name)
		}
	}
}

func TestHere(t *testing.T) {
	h, err := hookHere()
	if err != nil {
		unhookable(t, err)
	}
	t.Logf("%d bytes at %#x", len(h.body), h.at)
	if len(h.patches) != 3 {
		t.Errorf("%d patches", len(h.patches))
	}
}
