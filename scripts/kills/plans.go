package main

import "strings"

// plans are what is run, in turns: modes that keep what they acknowledge, with
// faults under way most of the time. In machines several are in force at any instant: of
// clocks, links, disks and starved processes, and of power and others in turns; ext4 is
// the same on a true file system, without limits of memory.
var plans = []string{"ripple", "redis", "machines", "ext4"}

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
	"machines": `name: machines
target: {name: ripple, replicas: 2, memory: 256MB, options: {replication: sync, fsync: always}, failover: {after: 700ms, choose: most-advanced}}
workloads:
  - {name: register, keys: 4096, read_from: primary, clients: 4, rate: 200/s, backlog: skip}
  - {name: set, clients: 2, rate: 60/s, backlog: skip}
warmup: 300ms
duration: DURATION
faults:
  - {at: 200ms, clock: {of: n2, by: 1h, strobe: 200ms}}
  - {at: 200ms, link: {of: n3, from: all, delay: 2ms}}
  - {at: 200ms, disk: {of: n2, on: sync, delay: 2ms}}
  - {at: 200ms, press: {of: n3, cpu: 60%}}
  - every: 2500ms
    pick:
      - {power: {of: random, survive: 30%}, for: 1s}
      - {crash: primary, for: 1s}
      - {oom: replica, for: 800ms}
      - {disk: {of: random, on: sync, stall: true}, for: 1s}
      - {press: {of: random, files: 20}, for: 1s}
      - {partition: {isolate: random, from: all}, for: 1s}
      - {reset: random}
      - {pause: random, for: 1s}
      - {restart: replica}
settle: 15s
gates: {random_faults: 75}
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
	if name == "ext4" {
		return strings.NewReplacer("memory: 256MB", "disk: {real: ext4}", "      - {oom: replica, for: 800ms}\n", "").Replace(planText("machines", duration))
	}
	return strings.ReplaceAll(planTexts[name], "DURATION", duration)
}
