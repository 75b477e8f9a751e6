package mariadb

import (
	"fmt"
	"strconv"
	"strings"
)

// sequence is the sequence number of domain 0, the only one in use, in a list
// of GTIDs ("0-1-17,1-2-3"); 0 if the list has none of it.
func sequence(list string) (uint64, error) {
	for gtid := range strings.SplitSeq(list, ",") {
		if gtid = strings.TrimSpace(gtid); gtid == "" {
			continue
		}
		parts := strings.Split(gtid, "-")
		if len(parts) != 3 {
			return 0, fmt.Errorf("GTID %q is not domain-server-sequence", gtid)
		}
		if parts[0] != "0" {
			continue
		}
		n, err := strconv.ParseUint(parts[2], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("GTID %q: %w", gtid, err)
		}
		return n, nil
	}
	return 0, nil
}
