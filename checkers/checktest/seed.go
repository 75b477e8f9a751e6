package checktest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Histories is how many random histories a test tries: n, or what
// AFTERSHOCK_HISTORIES says.
func Histories(t testing.TB, n int) int {
	word := os.Getenv("AFTERSHOCK_HISTORIES")
	if word == "" {
		return n
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 {
		t.Fatalf("AFTERSHOCK_HISTORIES is no number above 0: %q", word)
	}
	return n
}

// RandomSeed is what random tests start from: 1, or AFTERSHOCK_SEED, which is
// a number, or "random" for one that was never used before. Tests that use it
// name it in every failure.
func RandomSeed(t testing.TB) uint64 {
	switch word := os.Getenv("AFTERSHOCK_SEED"); word {
	case "":
		return 1
	case "random":
		seed := rand.Uint64() >> 16
		t.Logf("AFTERSHOCK_SEED=%d", seed)
		return seed
	default:
		seed, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			t.Fatalf("AFTERSHOCK_SEED is neither a number nor random: %v", err)
		}
		return seed
	}
}
