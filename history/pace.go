package history

import "time"

// ServerLagEvery is the time between two questions to a node for the
// replication lag that the system itself tells.
const ServerLagEvery = 250 * time.Millisecond
