package main

import "github.com/aftershock-chaos/aftershock/checkers"

// expectation says as what a defect has to be found. Every class that it does
// not name is one that the defect cannot cause: a run that finds it is wrong.
type expectation struct {
	plan   string           // plans/bugs/<plan>.yaml
	must   []checkers.Class // that every run finds
	may    []checkers.Class // that the defect causes besides, by chance
	anyway []checkers.Class // that runs find without the defect as well
	why    string
}

// replicaReads are what reads from replicas show of a sound store too: one
// shows a write later than another.
var replicaReads = []checkers.Class{checkers.StaleRead, checkers.ReadYourWrites, checkers.OrderFlip, checkers.NotLinear}

// expected is in the order of the plans' names.
var expected = []expectation{
	{plan: "ack-before-log", must: []checkers.Class{checkers.LostElement},
		why: "what a killed primary acknowledged in its last 50 ms is on no disk and on no replica"},
	{plan: "cas-ignores-old", must: []checkers.Class{checkers.LostUpdate, checkers.NotLinear},
		why: "the write that the comparison should have found is overwritten unseen; reads stay fresh"},
	{plan: "double-apply", must: []checkers.Class{checkers.MonotonicRead, checkers.Diverged}, anyway: replicaReads,
		may: []checkers.Class{checkers.MonotonicWrite, checkers.WriteAfterRead},
		why: "an old value comes back on the replica alone, and stays if nothing overwrites it; the primary has everything, so nothing is lost"},
	{plan: "double-apply-queue", must: []checkers.Class{checkers.DuplicateMessage, checkers.NotFIFO},
		may: []checkers.Class{checkers.LostMessage, checkers.ReorderedMessage},
		why: "the promoted queue has messages twice, the copies late; where a dequeue was applied twice it lacks one"},
	{plan: "drop-acked", must: []checkers.Class{checkers.LostWrite, checkers.LostElement, checkers.StaleRead, checkers.NotLinear},
		may: []checkers.Class{checkers.ReadYourWrites},
		why: "the write never was there: reads after its acknowledgement are stale, but nobody saw it and then something older"},
	{plan: "duplicate-dequeue", must: []checkers.Class{checkers.DuplicateMessage, checkers.NotFIFO},
		why: "a message that was answered stays at the head and comes again, in its order; none is lost"},
	{plan: "duplicate-element", must: []checkers.Class{checkers.Duplicate},
		why: "one answer has its last element twice; the set itself is right"},
	{plan: "forget-set-on-promote", must: []checkers.Class{checkers.LostElement},
		why: "every fourth element is gone from the new primary, and from all that follow it"},
	{plan: "forgets-older", must: []checkers.Class{checkers.LostElement},
		why: "what the newer primary acknowledged while it was cut off is not on the older replica that takes over"},
	{plan: "lifo-dequeue", must: []checkers.Class{checkers.ReorderedMessage, checkers.NotFIFO},
		why: "the last message overtakes all others; each still comes once"},
	{plan: "lose-unsynced", must: []checkers.Class{checkers.LostElement},
		may: []checkers.Class{checkers.Diverged, checkers.StaleSet},
		why: "all nodes forget what they acknowledged since their last sync; a primary that forgot more than a replica writes other records in the same places of the log, in the same epoch, so the replica keeps its own"},
	{plan: "promote-stale", must: []checkers.Class{checkers.LostElement},
		why: "the new primary has thrown its last records away, and the others follow it"},
	{plan: "reorder-apply", must: []checkers.Class{checkers.MonotonicRead, checkers.Diverged}, anyway: replicaReads,
		may: []checkers.Class{checkers.MonotonicWrite, checkers.WriteAfterRead},
		why: "as double-apply: an old value comes late, over a newer one, on the replica alone"},
	{plan: "resurrect-failed", must: []checkers.Class{checkers.Resurrected, checkers.NotLinear},
		why: "reads return a write that was refused; it was there from then on, so no read is stale and nothing is lost"},
	{plan: "stale-primary", must: []checkers.Class{checkers.StaleRead, checkers.NotLinear},
		may: []checkers.Class{checkers.ReadYourWrites, checkers.MonotonicRead, checkers.OrderFlip, checkers.Diverged, checkers.NotRecovered},
		why: "the old primary answers reads with its old state but acknowledges no writes, so nothing is lost; there are two primaries for ever, so the cluster does not settle"},
	{plan: "stale-replica-read", must: []checkers.Class{checkers.StaleRead, checkers.MonotonicRead}, anyway: replicaReads,
		may: []checkers.Class{checkers.MonotonicWrite, checkers.WriteAfterRead},
		why: "one read goes back to the value before and the next does not: nothing is lost, and the replica has what it should"},
	{plan: "sync-degrades", must: []checkers.Class{checkers.LostElement},
		why: "what the primary acknowledged while it was cut off is not on the replica that takes over"},
	{plan: "unsynced-rename", must: []checkers.Class{checkers.LostElement},
		why: "after the power cut no node finds its log, though every record in it was synced: all of the set is gone"},
}

// counts are the facts that count the findings of a class; a verdict keeps only
// some of these. A class that is not here has one finding for each object.
var counts = map[checkers.Class][]string{
	checkers.LostWrite:         {"writes.lost"},
	checkers.LostUpdate:        {"writes.lost_updates"},
	checkers.Resurrected:       {"writes.resurrected", "set.resurrected"},
	checkers.Phantom:           {"reads.phantom", "set.phantom"},
	checkers.Future:            {"reads.future"},
	checkers.StaleRead:         {"reads.stale"},
	checkers.OrderFlip:         {"reads.order_flips"},
	checkers.Diverged:          {"replicas.diverged", "set.diverged"},
	checkers.ReadYourWrites:    {"sessions.read_your_writes"},
	checkers.MonotonicRead:     {"sessions.monotonic_reads"},
	checkers.MonotonicWrite:    {"sessions.monotonic_writes"},
	checkers.WriteAfterRead:    {"sessions.writes_follow_reads"},
	checkers.LostElement:       {"set.lost"},
	checkers.Duplicate:         {"set.duplicated"},
	checkers.StaleSet:          {"set.stale"},
	checkers.Flapping:          {"set.flapping"},
	checkers.LostMessage:       {"queue.lost"},
	checkers.DuplicateMessage:  {"queue.duplicated"},
	checkers.UnexpectedMessage: {"queue.unexpected"},
	checkers.ReorderedMessage:  {"queue.reordered"},
}
