package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// runs is how the names of all runs' objects begin.
const runs = "aftershock_"

// makeTables makes the run's tables, all or none.
func (s *Attached) makeTables(ctx context.Context, primary *cluster.Node) error {
	c, err := s.login.operator(ctx, primary)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := s.mayCreate(ctx, c); err != nil {
		return err
	}
	err = change(ctx, c, s.sql.tables.make("CREATE TABLE ")...)
	if refused := (*pgconn.PgError)(nil); !errors.As(err, &refused) {
		s.made.Something() // whatever became of it, where the server does not refuse it
	}
	return err
}

// mayCreate tells what keeps a user from making tables.
func (s *Attached) mayCreate(ctx context.Context, c *session) error {
	rows, err := c.query(ctx, "SELECT current_schema(), has_schema_privilege(current_schema(), 'CREATE'), current_database()")
	if err != nil {
		return err
	}
	if len(rows) != 1 || len(rows[0]) != 3 {
		return errReply
	}
	user, schema, database := s.login.User, rows[0][0], rows[0][2]
	switch {
	case schema == "":
		return fmt.Errorf("user %q has no schema to make tables in: its search_path names none that there is in database %q: ALTER ROLE %s SET search_path = …", user, database, identifier(user))
	case rows[0][1] != "t":
		return fmt.Errorf("user %q may not make tables in schema %q of database %q: GRANT CREATE ON SCHEMA %s TO %s, or take another user",
			user, schema, database, identifier(schema), identifier(user))
	}
	return nil
}

// change does statements in one transaction, whose commit waits for no standby and
// which waits for no lock beyond ctx.
func change(ctx context.Context, c *session, statements ...string) error {
	wait := kit.DefaultTimeout
	if deadline, ok := ctx.Deadline(); ok {
		wait = max(time.Until(deadline), time.Millisecond)
	}
	begin := []string{"BEGIN", "SET LOCAL synchronous_commit = local", "SET LOCAL lock_timeout = " + strconv.FormatInt(wait.Milliseconds(), 10)}
	return c.exec(ctx, slices.Concat(begin, statements, []string{"COMMIT"})...)
}

// shows tells which of the run's tables a node does not show.
func (s *Attached) shows(ctx context.Context, n *cluster.Node) error {
	bounded, cancel := context.WithTimeout(ctx, kit.LookTimeout)
	defer cancel()
	return s.operators.Use(bounded, n, func(c *session) error {
		names := s.sql.tables.all()
		shown, err := c.value(bounded, "SELECT count(*) FROM unnest("+textArray(names)+") AS name WHERE to_regclass(name) IS NOT NULL")
		if err == nil && shown != strconv.Itoa(len(names)) {
			err = fmt.Errorf("it shows %s of %d: a standby that does not replay, or replays late?", shown, len(names))
		}
		return err
	})
}

// textArray is a text[] of SQL.
func textArray(list []string) string {
	quoted := make([]string, len(list))
	for i, text := range list {
		quoted[i] = literal(text)
	}
	return "ARRAY[" + strings.Join(quoted, ", ") + "]::text[]"
}

// Remove drops the run's tables, on every node that takes itself for the primary.
// After a Form that came to make none there is nothing to do.
func (s *Attached) Remove(ctx context.Context, nodes []*cluster.Node) error {
	if s.made.None() {
		return nil
	}
	primaries, err := kit.Primaries(ctx, nodes, s.Status)
	if err == nil {
		err = kit.Each(primaries, func(i int) error { return s.drop(ctx, primaries[i]) })
	}
	if err != nil {
		return fmt.Errorf("remove the tables %s_…: %w", s.objects, err)
	}
	return nil
}

// ours lists the tables that a run can have made: they have its columns.
const ours = `SELECT relname FROM pg_class AS c WHERE relkind = 'r' AND pg_table_is_visible(oid)
 AND (SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) = 'w k v' AND `

func (s *Attached) drop(ctx context.Context, primary *cluster.Node) error {
	c, err := s.login.operator(ctx, primary)
	if err != nil {
		return err
	}
	defer c.Close()
	rows, err := c.query(ctx, ours+"relname = ANY ("+textArray(s.sql.tables.all())+")")
	if err != nil || len(rows) == 0 {
		return err
	}
	var names []string
	for _, row := range rows {
		names = append(names, row[0])
	}
	return change(ctx, c, "DROP TABLE IF EXISTS "+strings.Join(names, ", "))
}

// Left lists what other runs have left, by the names that their tables begin with.
func (s *Attached) Left(ctx context.Context, nodes []*cluster.Node) ([]string, error) {
	primaries, err := kit.Primaries(ctx, nodes, s.Status)
	if err != nil {
		return nil, fmt.Errorf("look for tables %s…: %w", runs, err)
	}
	var left []string
	for _, n := range primaries {
		err := kit.Ask(ctx, &s.operators, n, func(c *session) error {
			rows, err := c.query(ctx, ours+"starts_with(relname, '"+runs+"')")
			for _, row := range rows {
				if objects := owner(row[0]); objects != "" {
					left = append(left, objects) // what is told twice counts once
				}
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look for tables %s… on %s: %w", runs, n.Name, err)
		}
	}
	slices.Sort(left)
	return slices.DeleteFunc(slices.Compact(left), func(name string) bool { return name == s.objects }), nil
}

// owner is the Objects of a table's run, empty if it is no run's.
func owner(table string) string {
	for _, what := range tablesOf("").all() {
		if objects, ok := strings.CutSuffix(table, "_"+what); ok && strings.HasPrefix(objects, runs) {
			return objects
		}
	}
	return ""
}
