package postgres

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// answering is a session whose server has one answer to every query, or none.
func answering(answer ...pgproto3.BackendMessage) (s *session, wait func()) {
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		server := pgproto3.NewBackend(far, far)
		for {
			if _, err := server.Receive(); err != nil {
				return
			}
			for _, a := range answer {
				server.Send(a)
			}
			if server.Flush() != nil {
				return
			}
		}
	}()
	return &session{conn: near, front: pgproto3.NewFrontend(near, near)}, func() {
		_ = near.Close()
		_ = far.Close()
		<-done
	}
}

func TestQuery(t *testing.T) {
	s, wait := answering(row([]byte("t"), nil), row([]byte("f"), []byte("1")), complete, ready)
	defer wait()
	rows, err := s.query(t.Context(), "SELECT")
	if err != nil || len(rows) != 2 || rows[0][0] != "t" || rows[0][1] != "" || rows[1][1] != "1" {
		t.Errorf("%q %v", rows, err)
	}
	if _, err := s.value(t.Context(), "SELECT"); err == nil {
		t.Error("two rows are one value")
	}
	if err := s.exec(t.Context(), "A", "B"); err != nil {
		t.Error(err)
	}
}

func TestQueryFails(t *testing.T) {
	for _, severity := range []string{"ERROR", "FATAL"} {
		answer := messages{problem(severity, "57P03")}
		if severity == "ERROR" {
			answer = append(answer, ready)
		}
		s, wait := answering(answer...)
		var refused *pgconn.PgError
		if err := s.exec(t.Context(), "SELECT"); !errors.As(err, &refused) || refused.Code != "57P03" {
			t.Errorf("%s: %v", severity, err)
		}
		wait()
	}
}

func TestQueryEndsWithItsContext(t *testing.T) {
	s, wait := answering()
	defer wait()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := s.query(ctx, "SELECT"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
	bounded, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.query(bounded, "SELECT"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("late: %v", err)
	}
}

// TestDialReadsNoEnvironment: the user's settings for libpq are not the plan's.
func TestDialReadsNoEnvironment(t *testing.T) {
	for name, value := range map[string]string{"PGSERVICE": "none", "PGHOST": "nowhere", "PGPORT": "1", "PGUSER": "x", "PGDATABASE": "x", "PGSSLMODE": "verify-full",
		"PGSSLROOTCERT": "/nowhere", "PGOPTIONS": "-c default_transaction_read_only=on", "PGAPPNAME": "x", "PGTARGETSESSIONATTRS": "standby", "PGCONNECT_TIMEOUT": "x", "PGTZ": "x"} {
		t.Setenv(name, value)
	}
	for _, c := range []struct {
		answer messages
		want   string // in the error
	}{
		{messages{&pgproto3.AuthenticationOk{}, &pgproto3.ParameterStatus{Name: "a", Value: "b"}, &pgproto3.BackendKeyData{SecretKey: make([]byte, 4)}, ready}, ""},
		{messages{problem("FATAL", "57P03")}, "57P03"},
		{messages{&pgproto3.AuthenticationCleartextPassword{}}, "trust"},
		{nil, "EOF"},
	} {
		near, far := net.Pipe()
		started := make(chan map[string]string, 1)
		go func() {
			defer far.Close()
			server := pgproto3.NewBackend(far, far)
			if m, err := server.ReceiveStartupMessage(); err == nil {
				started <- m.(*pgproto3.StartupMessage).Parameters
			}
			for _, a := range c.answer {
				server.Send(a)
			}
			_ = server.Flush()
		}()
		var asked string
		s, err := dial(t.Context(), func(_ context.Context, _, addr string) (net.Conn, error) { asked = addr; return near, nil }, "10.0.0.1", "role")
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, want %q", err, c.want)
		}
		if got := <-started; asked != "10.0.0.1:5432" || len(got) != 3 || got["user"] != "role" || got["database"] != "postgres" || got["application_name"] != "aftershock" {
			t.Errorf("connected to %s with %q", asked, got)
		}
		if s != nil {
			_ = s.Close()
		}
	}
}
