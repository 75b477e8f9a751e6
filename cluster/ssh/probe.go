package ssh

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// seen is what a host says of itself.
type seen struct {
	system, machine string
	root            string     // how a command there is root's: "yes", "sudo"; empty: it is not
	addr            netip.Addr // the host's, as the session reached it
	port            int        // of ssh there
	from            netip.Addr // where the session came from, to the host
	addrs           []netip.Addr
	unit            map[string]string // what systemd says of the unit; nil: there is none, or no systemd
	systemd         bool
	missing         []string // programs that copying a guest takes
}

// probeScript changes nothing on the host. UNIT is put in.
const probeScript = `LC_ALL=C; export LC_ALL;
echo "aftershock probe";
echo "system $(uname -s)"; echo "machine $(uname -m)"; echo "from $SSH_CONNECTION";
if [ "$(id -u)" = 0 ]; then echo "root yes"; elif sudo -n true 2>/dev/null; then echo "root sudo"; fi;
for p in mktemp head gzip sha256sum; do command -v $p >/dev/null || echo "missing $p"; done;
ip -o addr show scope global 2>/dev/null | while read -r a b c d e; do echo "address $d"; done;
if [ -d /run/systemd/system ]; then echo "systemd yes";
if [ -n "UNIT" ]; then systemctl show -p LoadState -p ActiveState -p Restart -- "UNIT" | sed "s/^/unit /"; fi; fi`

// probe logs into a host and asks.
func (t Target) probe(ctx context.Context, host string) (seen, error) {
	output, err := t.run(ctx, host, strings.ReplaceAll(probeScript, "UNIT", t.Server.Unit), false)
	if err != nil {
		return seen{}, err
	}
	return parse(output)
}

// parse reads the probe's words. What a login shell says before them does not count.
func parse(output string) (seen, error) {
	_, output, ok := strings.Cut("\n"+output, "\naftershock probe\n")
	if !ok {
		return seen{}, errors.New("no shell answered there: see that `ssh HOST uname` says something")
	}
	var s seen
	for line := range strings.SplitSeq(output, "\n") {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "system":
			s.system = value
		case "machine":
			s.machine = value
		case "root":
			s.root = value
		case "systemd":
			s.systemd = true
		case "missing":
			s.missing = append(s.missing, value)
		case "from":
			f := strings.Fields(value)
			if len(f) != 4 {
				return seen{}, errors.New("its sshd does not say where the session came from (SSH_CONNECTION): the port that no rule may touch is not known")
			}
			s.from, s.addr = address(f[0]), address(f[2])
			s.port, _ = strconv.Atoi(f[3])
		case "address":
			if prefix, err := netip.ParsePrefix(value); err == nil && !prefix.Addr().IsLinkLocalUnicast() {
				s.addrs = append(s.addrs, prefix.Addr().Unmap())
			}
		case "unit":
			if name, v, ok := strings.Cut(value, "="); ok {
				if s.unit == nil {
					s.unit = map[string]string{}
				}
				s.unit[name] = v
			}
		}
	}
	if !s.addr.IsValid() || s.port == 0 {
		return seen{}, errors.New("its sshd does not say on which address and port it was reached (SSH_CONNECTION)")
	}
	if !slices.Contains(s.addrs, s.addr) {
		s.addrs = append(s.addrs, s.addr)
	}
	return s, nil
}

func address(text string) netip.Addr {
	a, _ := netip.ParseAddr(text)
	return a.Unmap().WithZone("")
}

// machines are the words of uname for Go's.
var machines = map[string]string{
	"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386", "i386": "386",
	"ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64", "loongarch64": "loong64",
}

// binaries are the words of ELF for Go's.
var binaries = map[elf.Machine]string{
	elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_ARM: "arm", elf.EM_386: "386",
	elf.EM_PPC64: "ppc64le", elf.EM_S390: "s390x", elf.EM_RISCV: "riscv64", elf.EM_LOONGARCH: "loong64",
}

// architecture is for which machines a binary is; this process's own where none is
// named.
func architecture(binary string) (string, error) {
	if binary == "" {
		return runtime.GOARCH, nil
	}
	file, err := elf.Open(binary)
	if err != nil {
		return "", fmt.Errorf("see for which machines %s is: %w", binary, err)
	}
	defer file.Close()
	if name, ok := binaries[file.Machine]; ok {
		return name, nil
	}
	return file.Machine.String(), nil
}

// runs refuses a host on which the binary cannot run.
func (s seen) runs(wanted string) error {
	there := machines[s.machine]
	switch {
	case s.system != "Linux":
		return fmt.Errorf("it runs %s: guests live on Linux", s.system)
	case there != wanted:
		return fmt.Errorf("it is %s, and this aftershock is for %s: run an aftershock that was built for it (GOARCH=%s)", s.machine, wanted, there)
	case len(s.missing) > 0:
		return fmt.Errorf("the programs %s are not there: install coreutils and gzip", strings.Join(s.missing, ", "))
	}
	return nil
}

// check refuses a host on which a guest cannot live.
func (s seen) check(t Target, wanted string) error {
	if err := s.runs(wanted); err != nil {
		return err
	}
	switch {
	case s.root == "":
		return errors.New("the login is not root's, and sudo asks for a password: log in as root (user: root), or allow sudo without a password")
	case t.Server.Unit != "" && !s.systemd:
		return fmt.Errorf("there is no systemd, and so no unit %s: name the server by process or by its port", t.Server.Unit)
	case t.Server.Unit != "" && s.unit["LoadState"] != "loaded":
		return fmt.Errorf("there is no unit %s: `systemctl list-units --type service` there lists those that are", t.Server.Unit)
	}
	return nil
}
