package workloads

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
)

var readFroms = []string{"primary", "replicas", "any"}

// Bounds of what one workload may ask for.
const (
	maxKeys    = 1 << 20   // final reads of every key on every node, one by one
	maxClients = 1<<16 - 1 // a history numbers a workload's workers in 16 bits; each may hold a connection to every node
	minRate    = 0.001     // operations per second
	maxRate    = 1e8
	maxWeight  = 1 << 20
	maxKnown   = 1 << 24 // values remembered for CAS over all workers: 128 MiB
)

func keysKey(byDefault, most int, meaning string) schema.Key[Spec] {
	return schema.Key[Spec]{Field: schema.Field{Name: "keys", Type: schema.Whole, Min: 1, Max: float64(most),
		Default: strconv.Itoa(byDefault), Meaning: meaning}, At: func(s *Spec) any { return &s.Keys }}
}

// mixKey is the row of the weights; byDefault is as a plan would write them.
func mixKey(byDefault string, of []operation, meaning string) schema.Key[Spec] {
	return schema.Key[Spec]{Field: schema.Field{Name: "mix", Type: schema.Map, Of: schema.Whole, Words: operationNames(of), Max: maxWeight,
		Default: byDefault, Meaning: meaning}, At: func(s *Spec) any { return &s.Mix }}
}

func readFromKey(meaning string) schema.Key[Spec] {
	return schema.Key[Spec]{Field: schema.Field{Name: "read_from", Type: schema.Word, Words: readFroms,
		Default: readFroms[0], Meaning: meaning}, At: func(s *Spec) any { return &s.ReadFrom }}
}

func clientsKey(byDefault int, meaning string) schema.Key[Spec] {
	return schema.Key[Spec]{Field: schema.Field{Name: "clients", Type: schema.Whole, Min: 1, Max: maxClients,
		Default: strconv.Itoa(byDefault), Meaning: meaning}, At: func(s *Spec) any { return &s.Clients }}
}

func rateKey(example, meaning string) schema.Key[Spec] {
	return schema.Key[Spec]{Field: schema.Field{Name: "rate", Type: schema.Rate, Min: minRate, Max: maxRate, Example: example,
		Absent: "as fast as answers come", Note: "leave it out to go as fast as answers come", Meaning: meaning},
		At: func(s *Spec) any { return &s.Rate }}
}

func distributionKey(meaning string) schema.Key[Spec] {
	return keys.Key(keys.Uniform, meaning, func(s *Spec) *keys.Spec { return &s.Distribution })
}

func countKey(name string, byDefault, most int, meaning string, at func(*Spec) *int) schema.Key[Spec] {
	return schema.Key[Spec]{Field: schema.Field{Name: name, Type: schema.Whole, Min: 1, Max: float64(most),
		Default: strconv.Itoa(byDefault), Meaning: meaning}, At: func(s *Spec) any { return at(s) }}
}

func readsKey(meaning string) schema.Key[Spec] {
	return schema.Key[Spec]{Field: schema.Field{Name: "reads", Type: schema.Percent, Max: 100, Absent: "as the mix has it", Example: "80%",
		Meaning: meaning}, At: func(s *Spec) any { return &s.Reads }}
}

func valueKey(meaning string) schema.Key[Spec] {
	return payload.Key(meaning, "as long as its number", func(s *Spec) *payload.Spec { return &s.Value })
}

func everyKey(byDefault, meaning string) schema.Key[Spec] {
	return schema.Key[Spec]{Field: schema.Field{Name: "every", Type: schema.Duration, Min: float64(minEvery), Max: float64(maxEvery),
		Default: byDefault, Meaning: meaning}, At: func(s *Spec) any { return &s.Every }}
}

// checkLoad checks the fields that register, set and queue share.
func checkLoad(s Spec, operations []string) error {
	switch {
	case s.Keys < 1 || s.Keys > maxKeys:
		return fmt.Errorf("keys is %d; use 1 to %d", s.Keys, maxKeys)
	case s.Clients < 1 || s.Clients > maxClients:
		return fmt.Errorf("clients is %d; use 1 to %d", s.Clients, maxClients)
	case !(s.Rate >= 0 && s.Rate <= maxRate):
		return fmt.Errorf("rate is %g/s; use more than 0 and at most %g, or leave it out for a closed loop", s.Rate, float64(maxRate))
	case !slices.Contains(readFroms, s.ReadFrom):
		return fmt.Errorf("read_from is %q; use one of %s", s.ReadFrom, strings.Join(readFroms, ", "))
	case s.Every != 0:
		return fmt.Errorf("every is for the lag workload; use rate")
	}
	if err := s.Distribution.Check(); err != nil {
		return err
	}
	if err := s.Value.Check(); err != nil {
		return err
	}
	return checkMix(s.Mix, operations)
}

func checkMix(mix map[string]int, operations []string) error {
	total := 0
	for _, name := range slices.Sorted(maps.Keys(mix)) {
		weight := mix[name]
		if !slices.Contains(operations, name) {
			return fmt.Errorf("mix names the operation %q; use %s", name, strings.Join(operations, ", "))
		}
		if weight < 0 || weight > maxWeight {
			return fmt.Errorf("mix gives %s the weight %d; use 0 to %d", name, weight, maxWeight)
		}
		total += weight
	}
	if total == 0 {
		return fmt.Errorf("mix has no operation with a weight above 0; give one of %s a weight", strings.Join(operations, ", "))
	}
	return nil
}
