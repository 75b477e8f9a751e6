package history

// FileName is the history's name in a run directory.
const FileName = "history.arrows"

// EventsFileName is the events' name in a run directory.
const EventsFileName = "events.jsonl"
