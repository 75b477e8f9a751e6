// Package attachtest is what the tests of targets share that start servers of
// their own, as somebody else would: certificates, proxies, users, ports.
package attachtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	random "math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// ServerName is whom the server's certificate names.
const ServerName = "db.test"

// Certificates writes ca.crt, server.crt and server.key into a folder. The pool
// believes the authority; the client's certificate names the user.
func Certificates(t *testing.T, dir, user string) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	authority, authorityKey := certificate(t, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	parent, err := x509.ParseCertificate(authority)
	if err != nil {
		t.Fatal(err)
	}
	server, serverKey := certificate(t, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: ServerName}, DNSNames: []string{ServerName},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, parent, authorityKey)
	client, clientKey := certificate(t, &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: user}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, parent, authorityKey)
	key, err := x509.MarshalECPrivateKey(serverKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"ca.crt": {Type: "CERTIFICATE", Bytes: authority}, "server.crt": {Type: "CERTIFICATE", Bytes: server}, "server.key": {Type: "EC PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AddCert(parent)
	return pool, tls.Certificate{Certificate: [][]byte{client}, PrivateKey: clientKey}
}

func certificate(t *testing.T, of, parent *x509.Certificate, by *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, by = of, key
	}
	of.NotBefore, of.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, of, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

// Forwarder is a proxy to one address that looks into nothing. It ends with the
// test, after the connections through it.
func Forwarder(t *testing.T, to string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			both := func() { _, _ = near.Close(), far.Close() }
			wg.Go(func() { defer both(); _, _ = io.Copy(far, near) })
			wg.Go(func() { defer both(); _, _ = io.Copy(near, far) })
		}
	})
	return listener.Addr().String()
}

// Unprivileged is how a server runs that refuses to be root's; nil: as the test.
func Unprivileged(t *testing.T, users ...string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range append(users, "nobody") {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.ParseUint(u.Uid, 10, 32)
			gid, _ := strconv.ParseUint(u.Gid, 10, 32)
			return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		}
	}
	t.Skip("there is no unprivileged user to run the server as")
	return nil
}

// FreePort is a port of the loopback address that nobody listens on. It is below those
// that the kernel gives to connections: of these one may be taken before a server has it,
// even by the very dial that asks whether the server is up, which then connects to itself.
func FreePort(t interface{ Fatalf(string, ...any) }) int {
	for range 100 {
		port := 10000 + random.IntN(20000)
		listener, err := net.Listen("tcp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)).String())
		if err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatalf("a hundred ports of the loopback address are all taken")
	return 0
}
