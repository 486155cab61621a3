package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// team is who may push to a topic.
type team struct {
	id    string
	topic string
	key   *ecdsa.PublicKey
}

// certificate makes a certificate authority and the gateways' certificate for loopback.
func (g *Gateways) certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := g.clock.Now()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "Kairos sandbox"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, DNSNames: []string{"localhost", APNs, FCM, WebPush},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	g.CA = x509.NewCertPool()
	g.CA.AddCert(leaf)
	g.CAPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	g.ca = leaf
	if err := g.clientCertificate(key); err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// credentials makes the keys of the app that the gateways serve.
func (g *Gateways) credentials() error {
	g.teams = map[string]team{}
	for _, t := range []struct {
		keyID, teamID, topic string
		pem                  *[]byte
	}{{KeyID, TeamID, Topic, &g.APNsKey}, {OtherKeyID, OtherTeamID, OtherTopic, &g.OtherAPNsKey}} {
		key, text, err := newKey()
		if err != nil {
			return err
		}
		*t.pem = text
		g.teams[t.keyID] = team{id: t.teamID, topic: t.topic, key: &key.PublicKey}
	}

	vapid, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if g.vapid, err = vapid.PublicKey.Bytes(); err != nil {
		return err
	}
	private, err := vapid.Bytes()
	if err != nil {
		return err
	}
	g.VAPIDPublic = base64.RawURLEncoding.EncodeToString(g.vapid)
	g.VAPIDPrivate = base64.RawURLEncoding.EncodeToString(private)

	g.oauth, err = newOAuth()
	return err
}

// clientCertificate makes the certificate by which a sender may push to Topic without a token.
func (g *Gateways) clientCertificate(authority *ecdsa.PrivateKey) error {
	key, text, err := newKey()
	if err != nil {
		return err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: Topic}, NotBefore: g.ca.NotBefore, NotAfter: g.ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, g.ca, &key.PublicKey, authority)
	g.APNsCertificate = append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), text...)
	return err
}

// newKey makes a key on P-256, and its PEM.
func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}
