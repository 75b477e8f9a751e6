package usage

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// mostPrice bounds a price, in whatever currency.
const mostPrice = 1e9

// Currency is the key of a table of prices that is no price.
const Currency = "currency"

// PriceNames are the keys of a table of prices, Currency the first.
func PriceNames() []string {
	names := []string{Currency}
	for _, one := range priceKeys {
		names = append(names, one.name)
	}
	return names
}

// priceKey is one key of a table of prices.
type priceKey struct {
	name string
	of   func(*Prices) *float64
}

var priceKeys = []priceKey{
	{"cpu_hour", func(p *Prices) *float64 { return &p.CPUHour }},
	{"memory_gb_hour", func(p *Prices) *float64 { return &p.MemoryGBHour }},
	{"gb_month", func(p *Prices) *float64 { return &p.GBMonth }},
	{"network_gb", func(p *Prices) *float64 { return &p.NetworkGB }},
}

// PricesOf reads a table of prices by its keys; what is no price is left out.
func PricesOf(table map[string]string) *Prices {
	prices := &Prices{Currency: table[Currency]}
	for _, one := range priceKeys {
		if v, err := ParsePrice(table[one.name]); err == nil {
			*one.of(prices) = v
		}
	}
	return prices
}

// ParsePrice reads a price: a number from 0 on.
func ParsePrice(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.Trim(text, "0123456789.eE+-") != "" || math.Signbit(v) || v > mostPrice {
		return 0, fmt.Errorf("%q is no price", spelling.Short(text))
	}
	return v, nil
}
