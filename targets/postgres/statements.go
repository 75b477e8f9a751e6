package postgres

import (
	"fmt"

	"github.com/aftershock-chaos/aftershock/history"
)

// tables are the names of a run's tables, by what they hold.
type tables struct {
	register, marker, element string // numbers
	record, member            string // values with a payload
	list, account             string // of transactions
}

// tablesOf are the tables of a run; objects is empty where all of the database is
// the run's own, and of a-z, 0-9 and _ elsewhere.
func tablesOf(objects string) tables {
	if objects != "" {
		objects += "_"
	}
	return tables{objects + "register", objects + "marker", objects + "element", objects + "record", objects + "member", objects + "list", objects + "account"}
}

func (t tables) all() []string {
	return []string{t.register, t.marker, t.element, t.record, t.member, t.list, t.account}
}

// make are the statements that make the tables; create is how they begin.
func (t tables) make(create string) []string {
	return []string{
		create + t.register + " (w int8, k int8, v int8 NOT NULL, PRIMARY KEY (w, k))",
		create + t.marker + " (w int8, k int8, v int8 NOT NULL, PRIMARY KEY (w, k))",
		create + t.element + " (w int8, k int8, v int8 NOT NULL)",
		"CREATE INDEX IF NOT EXISTS " + t.element + "_of ON " + t.element + " (w, k)",
		// Of values with a payload, which the server is not to compress.
		create + t.record + " (w int8, k int8, v text NOT NULL, PRIMARY KEY (w, k))",
		create + t.member + " (w int8, k int8, v text NOT NULL)",
		"CREATE INDEX IF NOT EXISTS " + t.member + "_of ON " + t.member + " (w, k)",
		"ALTER TABLE " + t.record + " ALTER COLUMN v SET STORAGE EXTERNAL",
		"ALTER TABLE " + t.member + " ALTER COLUMN v SET STORAGE EXTERNAL",
		create + t.list + " (w int8, k int8, v text NOT NULL, PRIMARY KEY (w, k))",
		create + t.account + " (w int8, k int8, v int8 NOT NULL, PRIMARY KEY (w, k))",
	}
}

// statement is one prepared statement. Its parameters are workload and key, int8,
// and then those that the kind has: int8, or text where values have a payload.
type statement struct {
	name      string
	sql       string
	values    func(op *history.Op) []int64 // after workload and key; nil: none
	sized     string                       // the same on values with a payload,
	sizedName string                       // and its name
	plain     bool                         // no parameter is a value
	writes    bool                         // 25006 on a standby; acknowledged by its commit
}

const (
	read   = "SELECT pg_is_in_recovery(), (SELECT v FROM %s WHERE w = $1 AND k = $2)"
	upsert = "INSERT INTO %s VALUES ($1, $2, $3) ON CONFLICT (w, k) DO UPDATE SET v = excluded.v"
	whole  = "SELECT pg_is_in_recovery(), ARRAY(SELECT v FROM %s WHERE w = $1 AND k = $2)"
	// The answer is one row, with the keys and their values side by side.
	scan = "SELECT pg_is_in_recovery(), array_agg(k ORDER BY k), array_agg(v ORDER BY k) FROM %s WHERE w = $1 AND k >= $2 AND k < $2 + $3"
	add  = "INSERT INTO %s VALUES ($1, $2, $3)"
	// The second column is the value before the statement.
	swap = "WITH swapped AS (UPDATE %[1]s SET v = $4 WHERE w = $1 AND k = $2 AND v = $3 RETURNING 1) " +
		"SELECT (SELECT count(*) FROM swapped), (SELECT v FROM %[1]s WHERE w = $1 AND k = $2)"
)

func oneValue(op *history.Op) []int64 { return []int64{op.Value} }

// statements are what the clients of a System send; they are made once.
type statements struct {
	tables tables
	of     [history.Kinds]statement // by kind; a kind without one is not the clients'
}

// newStatements are those on the tables of a run. Their names are the run's too: a
// pool of connections may hold statements of several.
func newStatements(objects string) *statements {
	t := tablesOf(objects)
	s := &statements{tables: t, of: [history.Kinds]statement{
		history.Read:    {name: "read", sql: fmt.Sprintf(read, t.register), sized: fmt.Sprintf(read, t.record)},
		history.Poll:    {name: "poll", sql: fmt.Sprintf(read, t.marker)},
		history.ReadSet: {name: "readset", sql: fmt.Sprintf(whole, t.element), sized: fmt.Sprintf(whole, t.member)},
		history.Scan: {name: "scan", sql: fmt.Sprintf(scan, t.register), sized: fmt.Sprintf(scan, t.record), plain: true,
			values: func(op *history.Op) []int64 { return []int64{op.Old} }},
		history.Write: {name: "write", sql: fmt.Sprintf(upsert, t.register), sized: fmt.Sprintf(upsert, t.record), values: oneValue, writes: true},
		history.Mark:  {name: "mark", sql: fmt.Sprintf(upsert, t.marker), values: oneValue, writes: true},
		history.Add:   {name: "add", sql: fmt.Sprintf(add, t.element), sized: fmt.Sprintf(add, t.member), values: oneValue, writes: true},
		history.CAS: {name: "cas", sql: fmt.Sprintf(swap, t.register), sized: fmt.Sprintf(swap, t.record),
			values: func(op *history.Op) []int64 { return []int64{op.Old, op.Value} }, writes: true},
	}}
	for kind := range s.of {
		if st := &s.of[kind]; st.sql != "" && objects != "" {
			st.name, st.sizedName = objects+"-"+st.name, objects+"-sized-"+st.name
		} else if st.sql != "" {
			st.sizedName = "sized-" + st.name
		}
	}
	return s
}

// launched are the statements on servers that are the run's own.
var launched = newStatements("")

// find is a kind's statement, nil if the clients have none.
func (s *statements) find(k history.Kind) *statement {
	if int(k) >= len(s.of) || s.of[k].sql == "" {
		return nil
	}
	return &s.of[k]
}

// maxParameters is how many the largest statement has.
const maxParameters = 4
