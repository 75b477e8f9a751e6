package watch

import "github.com/aftershock-chaos/aftershock/checkers/checktest"

// The words in which this package's tests write histories.

var (
	by      = checktest.By
	cas     = checktest.Cas
	read    = checktest.Read
	unknown = checktest.Unknown
	write   = checktest.Write
)
