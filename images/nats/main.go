// Command nats-server is the NATS server of its own module, built here because
// no image registry may be at hand. The server's own command sits in its
// module's root and is built from there; this file pins its version.
package main

import _ "github.com/nats-io/nats-server/v2/server"

func main() {}
