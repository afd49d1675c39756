package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// What one control plane proves itself with, and what its users prove themselves with. All of it
// is made new for each control plane and goes with its data folder.
type credentials struct {
	dir   string
	ca    []byte // PEM, for the kubeconfig
	token string // of the user "admin" in the group system:masters

	authority    *x509.Certificate
	authorityKey *ecdsa.PrivateKey
}

// The address of the service "kubernetes": the first of the service range.
const (
	serviceRange = "10.0.0.0/24"
	serviceIP    = "10.0.0.1"
)

func newCredentials(dir string) (*credentials, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &credentials{dir: dir}
	secret := make([]byte, 24)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	c.token = hex.EncodeToString(secret)
	tokens := c.token + ",admin,admin,\"system:masters\"\n"
	if err := os.WriteFile(c.path("tokens.csv"), []byte(tokens), 0o600); err != nil {
		return nil, err
	}
	if err := c.writeServiceAccountKeys(); err != nil {
		return nil, err
	}
	return c, c.writeCertificates()
}

func (c *credentials) path(name string) string { return filepath.Join(c.dir, name) }

func (c *credentials) writeServiceAccountKeys() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := c.writePEM("sa.pub", "PUBLIC KEY", public); err != nil {
		return err
	}
	return c.writeKey("sa.key", key)
}

// A CA of this control plane's own and one server certificate from it, so that clients verify the
// server as they would verify any other.
func (c *credentials) writeCertificates() error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "showcore test control plane"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(365 * 24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return err
	}
	c.authority, c.authorityKey = ca, caKey
	c.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	if err := os.WriteFile(c.path("ca.crt"), c.ca, 0o600); err != nil {
		return err
	}

	return c.writeCertificate("server", &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		IPAddresses:  []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP(serviceIP), net.ParseIP(bridgeIP)},
	})
}

// writeClientCertificate makes name.crt and name.key, with which this user proves itself.
func (c *credentials) writeClientCertificate(name, user, group string) error {
	return c.writeCertificate(name, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: user, Organization: []string{group}},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (c *credentials) writeCertificate(name string, certificate *x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	certificate.NotBefore, certificate.NotAfter = c.authority.NotBefore, c.authority.NotAfter
	certificate.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, certificate, c.authority, &key.PublicKey, c.authorityKey)
	if err != nil {
		return err
	}
	if err := c.writePEM(name+".crt", "CERTIFICATE", der); err != nil {
		return err
	}
	return c.writeKey(name+".key", key)
}

func (c *credentials) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return c.writePEM(name, "EC PRIVATE KEY", der)
}

func (c *credentials) writePEM(name, kind string, der []byte) error {
	return os.WriteFile(c.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// The kubeconfig is complete in itself (CA and token are in it), so that it can be copied.
func (c *credentials) writeKubeconfig(server string) (string, error) {
	return c.writeUserKubeconfig("kubeconfig", server, "{token: "+c.token+"}")
}

// writeClientKubeconfig is of a user who proves itself by a certificate.
func (c *credentials) writeClientKubeconfig(name, server, user, group string) (string, error) {
	if err := c.writeClientCertificate(name, user, group); err != nil {
		return "", err
	}
	proof := fmt.Sprintf("{client-certificate: %s, client-key: %s}", c.path(name+".crt"), c.path(name+".key"))
	return c.writeUserKubeconfig(name+".kubeconfig", server, proof)
}

func (c *credentials) writeUserKubeconfig(name, server, proof string) (string, error) {
	path := c.path(name)
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: showcore
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: admin
  user: %s
contexts:
- name: showcore
  context:
    cluster: showcore
    user: admin
current-context: showcore
`, server, base64.StdEncoding.EncodeToString(c.ca), proof)
	return path, os.WriteFile(path, []byte(text), 0o600)
}
