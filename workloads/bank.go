package workloads

import (
	"fmt"
	"math/rand/v2"

	"github.com/aftershock-chaos/aftershock/history"
)

var bankOperations = []operation{{"transfer", history.Transfer}, {"read", history.Balances}}

// mostAccounts bounds the accounts, which are read all at once.
const mostAccounts = 1024

// mostMoved is the greatest amount of a transfer.
const mostMoved = 5

func bankType() entry {
	return entry{
		info: TypeInfo{
			Name:  "bank",
			About: "transfers money between accounts and reads all balances at once, which must always add up to the same",
			Fields: []FieldInfo{
				{"keys", "8", nil, "number of accounts; each begins with 100"},
				{"mix", "{transfer: 50, read: 50}", operationNames(bankOperations), "weights of the operations"},
				{"read_from", "primary", readFroms, "which nodes the balances are read from"},
				{"clients", "8", nil, "workers, each with its own connections"},
				{"rate", "as fast as answers come", nil, "operations per second of all clients together, e.g. 500/s"},
				{"distribution", "uniform", distributions, "how accounts are chosen; zipfian has few busy accounts"},
			},
		},
		defaults: func(s Spec) Spec {
			if len(s.Mix) == 0 {
				s.Mix = map[string]int{"transfer": 50, "read": 50}
			}
			s.Keys, s.Clients = orDefault(s.Keys, 8), orDefault(s.Clients, 8)
			s.ReadFrom, s.Distribution = orDefault(s.ReadFrom, "primary"), orDefault(s.Distribution, "uniform")
			return s
		},
		build: func(s Spec) (Workload, error) {
			if err := checkLoad(s, operationNames(bankOperations)); err != nil {
				return nil, err
			}
			if s.Keys > mostAccounts {
				return nil, fmt.Errorf("keys is %d; use 1 to %d", s.Keys, mostAccounts)
			}
			return &bank{spec: s, keys: newKeys(s.Keys, s.Distribution), mix: newMix(s.Mix, bankOperations)}, nil
		},
	}
}

// bank is the workload of accounts.
type bank struct {
	spec Spec
	keys *keys
	mix  mix
}

func (w *bank) Spec() Spec            { return w.spec }
func (w *bank) Kinds() []history.Kind { return []history.Kind{history.Transfer, history.Balances} }
func (w *bank) Workers(int) int       { return w.spec.Clients }
func (w *bank) Measured(int) bool     { return true }

func (w *bank) Worker(i, _ int, seed uint64) Generator {
	return &bankGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys, mix: w.mix, accounts: uint32(w.spec.Keys), reads: readRoute(w.spec.ReadFrom)}
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
	keys     *keys
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
	begin(r, kind, g.keys.pick(g.rng.Uint64()))
	r.Pick = uint32(u >> 32)
	to := g.keys.pick(g.rng.Uint64())
	if to == r.Op.Key && g.accounts > 1 {
		to = (to + 1) % g.accounts
	}
	r.Op.Old, r.Op.Value = int64(to), 1+int64(u%mostMoved)
}

func (g *bankGenerator) Done(*history.Op) {}
