package checkers

// Better says which of two values of a fact is the better one.
type Better string

const (
	Lower   Better = "lower"
	Higher  Better = "higher"
	Neither Better = "neither" // it tells what was done, not how well
)

// Direction is Better, or where the fact does not say it, what its unit says:
// times, shares, sizes and counts (of what went wrong, as most counts are) are
// better when they are lower, rates and truths when they are higher.
func (f Fact) Direction() Better {
	switch {
	case f.Better != "":
		return f.Better
	case f.Unit == PerSec || f.Unit == Boolean:
		return Higher
	}
	return Lower
}
