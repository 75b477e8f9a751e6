// Command etcd is the etcd server of its own module, built here because no
// image registry may be at hand.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
