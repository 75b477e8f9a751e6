package rabbitmq

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

const (
	guest     = "guest" // the user, and the password, of a server that has not been told others
	rootVhost = "/"
	tlsPort   = 5671
)

// login is how connections begin with servers that somebody else runs.
type login struct {
	targets.Access
}

// vhost is where a connection leads to; named is what a door says of it.
func (l *login) vhost(named string) string { return cmp.Or(named, l.Database, rootVhost) }

// byCertificate tells whether the client's certificate is all that says who it is.
func (l *login) byCertificate() bool {
	return l.User == "" && l.Password == "" && l.TLS != nil && len(l.TLS.Certificates) > 0
}

func (l *login) user() string { return cmp.Or(l.User, guest) }

// config is what a connection asks for.
func (l *login) config(vhost string) amqp.Config {
	auth := amqp.Authentication(&amqp.ExternalAuth{})
	if !l.byCertificate() {
		password := l.Password
		if l.User == "" && password == "" {
			password = guest
		}
		auth = &amqp.PlainAuth{Username: l.user(), Password: password}
	}
	return amqp.Config{SASL: []amqp.Authentication{auth}, Vhost: l.vhost(vhost), Heartbeat: heartbeat, FrameSize: frameSize, Locale: "en_US"}
}

// open opens a connection, and TLS on it.
func (l *login) open(ctx context.Context, way kit.DialFunc, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	conn, err := way(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if conn, err = kit.Secure(ctx, conn, l.TLS, host); err != nil {
		err = fmt.Errorf("%w: set target.connect.ca and target.connect.server, or take target.connect.tls away if the server speaks none", err)
		if errors.As(err, new(*tls.CertificateVerificationError)) {
			err = kit.ForGood(err)
		}
		return nil, err
	}
	return conn, nil
}

// explain adds the remedy to a server's refusal; what no waiting mends is marked so.
// named is the virtual host that a door says.
func (l *login) explain(err error, named string) error {
	if kit.IsForGood(err) { // it has been explained
		return err
	}
	if l.TLS == nil && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
		return fmt.Errorf("%w (does the server want TLS? set target.connect.tls)", err)
	}
	var said *amqp.Error
	if !errors.As(err, &said) {
		return err
	}
	switch {
	case said == amqp.ErrSASL:
		return kit.ForGood(fmt.Errorf("the server offers no way to log in that is known here: %w: let it offer PLAIN, or EXTERNAL for certificates", err))
	case said == amqp.ErrCredentials, said.Code == amqp.AccessRefused:
		return kit.ForGood(fmt.Errorf("the server refuses user %q: %w: correct target.connect.user and target.connect.password; %s logs in from the server's own machine only", l.user(), err, guest))
	case said.Code == amqp.NotAllowed:
		return kit.ForGood(fmt.Errorf("user %q may not use the virtual host %q: %w: correct target.connect.database, or %s", l.user(), l.vhost(named), err, l.grant(named)))
	}
	return err
}

// forbidden adds the remedy to the refusal of something that needs rights.
func (l *login) forbidden(err error) error {
	var said *amqp.Error
	if errors.As(err, &said) && said.Server && said.Code == amqp.AccessRefused {
		return kit.ForGood(fmt.Errorf("user %q has not the rights that are needed: %w: %s", l.user(), err, l.grant("")))
	}
	return err
}

// grant is what gives the user the rights that a run needs.
func (l *login) grant(named string) string {
	const queues = "^" + runs + ".*"
	return fmt.Sprintf(`rabbitmqctl set_permissions -p %q %q '%s' '%[3]s|^amq\.default$' '%[3]s'`, l.vhost(named), l.user(), queues)
}
