package ssh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// cleanScript ends guests and removes what is left of such as were killed. Guests end
// in order by SIGTERM: they heal what they broke. A folder bears the number of the
// process that made it.
const cleanScript = `LC_ALL=C; n=0;
for c in /proc/[0-9]*/cmdline; do
if tr "\000" " " <"$c" 2>/dev/null | grep -q "^[^ ]*/` + agent.GuestFolder + `[^ ]*/aftershock agent --guest"; then
p=${c#/proc/}; p=${p%%/*}; kill -TERM $p 2>/dev/null && echo "removed a guest, process $p";
while [ -e /proc/$p ] && [ $n -lt 50 ]; do sleep 0.2; n=$((n+1)); done; fi; done;
for d in "${TMPDIR:-/tmp}"/` + agent.GuestFolder + `* /var/tmp/` + agent.GuestFolder + `* /root/` + agent.GuestFolder + `* /dev/shm/` + agent.GuestFolder + `*; do
[ -d "$d" ] || continue; p=${d##*/` + agent.GuestFolder + `}; p=${p%%.*};
if [ ! -e "/proc/$p" ]; then rm -rf "$d" && echo "removed the folder $d"; fi; done;
if command -v nft >/dev/null && nft list table inet aftershock >/dev/null 2>&1; then nft delete table inet aftershock && echo "removed the network rules"; fi`

const cleanTimeout = 40 * time.Second

// Clean removes what runs have left on the hosts: guests, which heal what they broke,
// folders and rules. Runs that go on there lose what they have.
func (p *place) Clean(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	said := make([][]string, len(p.target.Hosts))
	errs := make([]error, len(p.target.Hosts))
	var cleaning sync.WaitGroup
	for i, host := range p.target.Hosts {
		cleaning.Go(func() {
			output, err := p.target.run(ctx, host, cleanScript, true)
			for line := range strings.SplitSeq(output, "\n") {
				if what, ok := strings.CutPrefix(line, "removed "); ok {
					said[i] = append(said[i], host+": "+what)
				}
			}
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", host, err)
			}
		})
	}
	cleaning.Wait()
	var removed []string
	for _, s := range said {
		removed = append(removed, s...)
	}
	return removed, errors.Join(errs...)
}
