package workloads

import (
	"fmt"
	"math/rand/v2"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
)

var bankOperations = []operation{{"transfer", history.Transfer}, {"read", history.Balances}}

// mostAccounts bounds the accounts, which are read all at once.
const mostAccounts = 1024

// mostMoved is the greatest amount of a transfer.
const mostMoved = 5

func bankType() entry {
	return entry{
		TypeInfo: TypeInfo{
			Name:   "bank",
			About:  "transfers money between accounts and reads all balances at once, which must always add up to the same",
			Object: history.ObjectAccounts,
			Keys: []schema.Key[Spec]{
				keysKey(8, mostAccounts, fmt.Sprintf("number of accounts; each begins with %d", history.OpeningBalance)),
				mixKey("{transfer: 50, read: 50}", bankOperations, "weights of the operations"),
				readFromKey("which nodes the balances are read from"),
				clientsKey(8, "workers, each with its own connections"),
				rateKey("500/s", "operations per second of all clients together"),
				distributionKey("how accounts are chosen; zipfian has few busy accounts"),
			},
		},
		build: func(s Spec) (Workload, error) {
			if err := checkLoad(s, operationNames(bankOperations)); err != nil {
				return nil, err
			}
			if s.Keys > mostAccounts {
				return nil, fmt.Errorf("keys is %d; use 1 to %d", s.Keys, mostAccounts)
			}
			return &bank{spec: s, keys: keys.New(s.Keys, s.Distribution), mix: newMix(s.Mix, bankOperations)}, nil
		},
	}
}

// bank is the workload of accounts.
type bank struct {
	spec Spec
	keys *keys.Distribution
	mix  mix
}

func (w *bank) Spec() Spec            { return w.spec }
func (w *bank) Kinds() []history.Kind { return []history.Kind{history.Transfer, history.Balances} }
func (w *bank) Workers(int) int       { return w.spec.Clients }
func (w *bank) Measured(int) bool     { return true }

func (w *bank) Worker(i, _ int, seed uint64) Generator {
	return &bankGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys.Worker(i, w.spec.Clients), mix: w.mix, accounts: uint32(w.spec.Keys), reads: readRoute(w.spec.ReadFrom)}
}

func (w *bank) Pacer(i, _ int) Pacer { return loadPacer(w.spec, i) }

// Finals reads all balances on node n.
func (w *bank) Finals(n int) []Request {
	all := finals(1, n, history.Balances)
	all[0].Op.Key = uint32(w.spec.Keys)
	return all
}

// bankGenerator is one worker of a bank workload.
type bankGenerator struct {
	rng      *rand.PCG
	keys     keys.Chooser
	mix      mix
	accounts uint32
	reads    Route
}

func (g *bankGenerator) Next(r *Request) {
	kind := g.mix.pick(g.rng.Uint64())
	u := g.rng.Uint64()
	if kind == history.Balances {
		begin(r, kind, g.accounts)
		r.Pick, r.Route = uint32(u>>32), g.reads
		return
	}
	begin(r, kind, g.keys.Next(g.rng.Uint64(), true))
	r.Pick = uint32(u >> 32)
	to := g.keys.Next(g.rng.Uint64(), true)
	if to == r.Op.Key && g.accounts > 1 {
		to = (to + 1) % g.accounts
	}
	r.Op.Old, r.Op.Value = int64(to), 1+int64(u%mostMoved)
}

func (g *bankGenerator) Done(*history.Op) {}
