package main

import "strings"

// plans are what is run, in turns: modes that keep what they acknowledge, with
// faults under way most of the time.
var plans = []string{"ripple", "redis"}

var planTexts = map[string]string{
	"ripple": `name: ripple
target: {name: ripple, replicas: 2, options: {replication: sync}, failover: {after: 700ms, choose: most-advanced}}
workloads:
  - {name: register, keys: 64, read_from: primary, clients: 4, rate: 400/s}
  - {name: set, clients: 2, rate: 100/s}
warmup: 300ms
duration: DURATION
faults:
  - {every: 3s, pick: [{kill: primary, for: 1s}, {pause: primary, for: 1s}]}
  - {at: 1s, partition: {isolate: primary}, for: 1500ms}
settle: 10s
claims: [writes.lost == 0, set.lost == 0, linearizable]
`,
	"redis": `name: redis
target: {name: redis, replicas: 2, options: {wait: 1, wait-timeout: 200ms}, failover: {after: 1s, choose: most-advanced}}
workloads:
  - {name: set, keys: 8, clients: 4, rate: 200/s, mix: {add: 98, read: 2}}
warmup: 300ms
duration: DURATION
faults:
  - {every: 4s, pick: [{partition: {isolate: primary}, for: 2s}]}
settle: 15s
claims: [set.lost == 0]
`,
}

func planText(name, duration string) string {
	return strings.ReplaceAll(planTexts[name], "DURATION", duration)
}
