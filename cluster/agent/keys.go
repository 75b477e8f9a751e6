package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"
)

// Authority makes the keys of one launch and is the harness's side of them. Its
// own key never leaves this process and certifies nothing but this launch, so
// that either side refuses whoever is not the other: another run's harness,
// another run's agent, another node's agent. It may be used by many goroutines.
type Authority struct {
	key  *ecdsa.PrivateKey
	root *x509.Certificate
	pool *x509.CertPool
	own  tls.Certificate // the harness's
}

// Secret is what one agent has to know. It goes to the agent's standard input
// and nowhere else: arguments, environment and files of a container can be read
// from outside.
type Secret struct {
	Authority   []byte `json:"authority"`   // the launch's certificate, DER
	Certificate []byte `json:"certificate"` // the agent's own, DER
	Key         []byte `json:"key"`         // the agent's own, PKCS #8
}

// maxSecret bounds a Secret's JSON, in bytes.
const maxSecret = 64 << 10

// NewAuthority makes new keys for the agents of a launch.
func NewAuthority() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the launch's key: %w", err)
	}
	template := certificate("aftershock launch")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certify the launch's key: %w", err)
	}
	a := &Authority{key: key, pool: x509.NewCertPool()}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("certify the launch's key: %w", err)
	}
	a.pool.AddCert(a.root)
	if a.own, err = a.certify("harness", x509.ExtKeyUsageClientAuth); err != nil {
		return nil, err
	}
	return a, nil
}

// Secret makes the keys of a node's agent. Dial knows it by the node's name.
func (a *Authority) Secret(node string) (Secret, error) {
	pair, err := a.certify(node, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return Secret{}, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return Secret{}, fmt.Errorf("encode the key of %s: %w", node, err)
	}
	return Secret{Authority: a.root.Raw, Certificate: pair.Certificate[0], Key: key}, nil
}

// certify makes a key for one side of the channel.
func (a *Authority) certify(name string, use x509.ExtKeyUsage) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the key of %s: %w", name, err)
	}
	template := certificate(name)
	template.DNSNames, template.KeyUsage, template.ExtKeyUsage = []string{name}, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{use}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certify the key of %s: %w", name, err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// certificate is valid whatever a node's clock shows: the keys live as long as
// their launch, and clocks are among what is broken on purpose.
func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes([]byte(rand.Text())),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
	}
}

// curves leaves out the key exchanges that cost more than they are worth on a
// machine's own network, where recordings are of no use the moment after.
var curves = []tls.CurveID{tls.X25519, tls.CurveP256}

// client is how the harness speaks with a node's agent.
func (a *Authority) client(node string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: a.pool, ServerName: node,
		Certificates: []tls.Certificate{a.own}, CurvePreferences: curves,
		DynamicRecordSizingDisabled: true, // small records are for browsers on slow lines
	}
}

// server is how an agent speaks with its harness, and with nobody else.
func (s Secret) server() (*tls.Config, error) {
	if len(s.Authority) == 0 || len(s.Certificate) == 0 || len(s.Key) == 0 {
		return nil, errors.New("agent: no keys: the agent is started by a host, which hands them over on standard input")
	}
	root, err := x509.ParseCertificate(s.Authority)
	if err != nil {
		return nil, fmt.Errorf("agent: the launch's certificate: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(s.Key)
	if err != nil {
		return nil, fmt.Errorf("agent: the own key: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		Certificates: []tls.Certificate{{Certificate: [][]byte{s.Certificate}, PrivateKey: key}}, CurvePreferences: curves,
		SessionTicketsDisabled:      true, // every connection proves itself anew
		DynamicRecordSizingDisabled: true,
	}, nil
}

// Encode is the secret as ReadSecret reads it: one line.
func (s Secret) Encode() []byte {
	line, err := json.Marshal(s)
	if err != nil {
		panic(err) // three byte strings can always be encoded
	}
	return append(line, '\n')
}

// ReadSecret reads the secret that a host writes to the agent's standard input.
// It need not be closed.
func ReadSecret(r io.Reader) (Secret, error) {
	var s Secret
	if err := json.NewDecoder(io.LimitReader(r, maxSecret)).Decode(&s); err != nil {
		return Secret{}, fmt.Errorf("agent: read the keys from standard input: %w: the agent is started by a host, not by hand", err)
	}
	return s, nil
}

// refused tells whether a connection failed because one side did not take the
// other for what it is to be.
func refused(err error) bool {
	var (
		theirs *tls.CertificateVerificationError
		noTLS  tls.RecordHeaderError
		alert  *net.OpError
	)
	return errors.As(err, &theirs) || errors.As(err, &noTLS) ||
		errors.As(err, &alert) && alert.Op == "remote error" // what crypto/tls calls an alert of the other side
}
