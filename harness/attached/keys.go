package attached

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/targets"
)

// Keys are what a plan only names of how clients come in: they are in the environment
// and in files of this machine. They go to drivers over their control channel, and are
// written nowhere.
type Keys struct {
	Password string `json:"password,omitempty"`
	CA       []byte `json:"ca,omitempty"` // in PEM, as are the others
	Cert     []byte `json:"cert,omitempty"`
	Key      []byte `json:"key,omitempty"`
}

// ReadKeys reads what the plan names. The errors name the place in the plan.
func ReadKeys(p *plan.Plan) (Keys, error) {
	c, keys := p.Target.Connect, Keys{}
	secret, err := attach.ParseSecret(c.Password)
	if err == nil {
		keys.Password, err = secret.Read()
	}
	if err != nil {
		return Keys{}, fmt.Errorf("target.connect.password: %w", err)
	}
	for _, f := range []struct {
		name, path string
		to         *[]byte
	}{{"ca", c.CA, &keys.CA}, {"cert", c.Cert, &keys.Cert}, {"key", c.Key, &keys.Key}} {
		if f.path == "" {
			continue
		}
		if *f.to, err = os.ReadFile(f.path); err != nil {
			return Keys{}, fmt.Errorf("target.connect.%s: %w", f.name, err)
		}
	}
	return keys, nil
}

// System makes the target's system for a plan whose keys these are. Errors wrap
// failure.ErrInput.
func (k Keys) System(p *plan.Plan, target targets.Target, config targets.Config, objects string) (targets.Attached, error) {
	attacher, ok := target.(targets.Attacher)
	if !ok {
		return nil, fmt.Errorf("%w: target.attach: target %s can only be launched", failure.ErrInput, p.Target.Name)
	}
	access, err := k.access(p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", failure.ErrInput, err)
	}
	system, err := attacher.Attach(targets.AttachConfig{Config: config, Access: access, Objects: objects})
	if err != nil {
		return nil, fmt.Errorf("%w: target %s: %w", failure.ErrInput, p.Target.Name, err)
	}
	return system, nil
}

func (k Keys) access(p *plan.Plan) (targets.Access, error) {
	c := p.Target.Connect
	a := targets.Access{User: c.User, Password: k.Password, Database: c.Database, Doors: p.Doors()}
	if u, err := attach.ParseURL(c.Primary); err == nil {
		if a.User == "" {
			a.User = u.User
		}
		if a.Database == "" && u.Scheme != "sentinel" {
			a.Database = u.Name
		}
	}
	var err error
	a.TLS, err = k.config(c)
	return a, err
}

// config is nil in the clear.
func (k Keys) config(c attach.Connect) (*tls.Config, error) {
	if c.TLS == "" || c.TLS == attach.Clear {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.Server, InsecureSkipVerify: c.TLS == attach.Encrypt}
	if c.CA != "" {
		if t.RootCAs = x509.NewCertPool(); !t.RootCAs.AppendCertsFromPEM(k.CA) {
			return nil, fmt.Errorf("target.connect.ca: %s holds no certificate in PEM", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.X509KeyPair(k.Cert, k.Key)
		if err != nil {
			return nil, fmt.Errorf("target.connect.cert: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
