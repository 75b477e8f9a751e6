package plan

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/history/usage"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/schema"
)

// PriceTable is what the plan says of prices; nil if it says nothing. It leaves out
// what Validate refuses.
func (p *Plan) PriceTable() *usage.Prices {
	if len(p.Prices) == 0 {
		return nil
	}
	return usage.PricesOf(p.Prices)
}

func (p *Plan) checkPrices() []*Error {
	var found []*Error
	names := usage.PriceNames()
	for _, name := range names {
		text, given := p.Prices[name]
		if _, err := usage.ParsePrice(text); given && name != usage.Currency && err != nil {
			found = append(found, p.wrong(schema.Join("prices", name), fmt.Sprintf("%s wants a price, not %q", name, spelling.Short(text)), "write a number from 0 on, such as 0.04"))
		}
	}
	for _, name := range sortedKeys(p.Prices) {
		if !slices.Contains(names, name) {
			found = append(found, p.wrong(schema.Join("prices", name), fmt.Sprintf("unknown price %q", spelling.Short(name)), spelling.DidYouMean(name, names)))
		}
	}
	if len(found) == 0 && len(p.Prices) > 0 && !p.PriceTable().Any() {
		found = append(found, p.wrong("prices", "nothing costs anything", "give one of the prices, e.g. prices: {cpu_hour: 0.04}"))
	}
	return found
}
