package port

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"time"
)

// exporterLabel and exporterSize are of the value by which TLS is bound to the swarm's key (PROTOCOL.md 3.2).
const (
	exporterLabel = "EXPORTER-p2pcp v1"
	exporterSize  = 32
)

// newTLS is both sides' configuration. The certificate is thrown away with the process and nobody checks it: that the other end
// of TLS is the one that shook hands is shown by a MAC over what only the two ends of this TLS connection know.
func newTLS() *tls.Config {
	certificate := sync.OnceValues(selfSigned)
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		InsecureSkipVerify:     true,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate() },
		SessionTicketsDisabled: true,
		// Blocks are sent: small records at the beginning only cost.
		DynamicRecordSizingDisabled: true,
	}
}

// selfSigned makes a certificate that says nothing.
func selfSigned() (*tls.Certificate, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, nil
}

// private tells whether TLS follows. The gossip has none: memberlist encrypts its streams itself, as it does its datagrams.
func (g *greeted) private() bool { return g.secrets.Encrypted() && g.kind != Gossip }

// dialTLS is the dialer's side of what follows message 3. Its errors are ErrInsecure.
func (g *greeted) dialTLS(conn net.Conn) (net.Conn, error) {
	out := &gather{Conn: conn}
	t := tls.Client(out, g.secrets.tls)
	ours, theirs, err := g.proofs(t)
	if err == nil {
		_, err = t.Write(ours[:])
	}
	if err == nil {
		err = expect(t, theirs)
	}
	if err != nil {
		return nil, insecureError{err}
	}
	return ready(t, out), nil
}

// acceptTLS is the listener's side, within 5 s and ctx. It says nothing of its own before the dialer's MAC is right.
func (g *greeted) acceptTLS(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return nil, fmt.Errorf("set handshake deadline: %w", err)
	}
	release := breakOff(ctx, conn)
	defer release()
	out := &gather{Conn: conn}
	t := tls.Server(out, g.secrets.tls)
	theirs, ours, err := g.proofs(t)
	if err == nil {
		err = expect(t, theirs)
	}
	if err == nil {
		_, err = t.Write(ours[:])
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, insecureError{err}
	}
	return ready(t, out), nil
}

// proofs completes TLS and makes the MACs that the two ends show each other.
func (g *greeted) proofs(t *tls.Conn) (dialer, listener [macSize]byte, err error) {
	if err := t.Handshake(); err != nil {
		return dialer, listener, err
	}
	state := t.ConnectionState()
	value, err := state.ExportKeyingMaterial(exporterLabel, nil, exporterSize)
	if err != nil {
		return dialer, listener, err
	}
	dialer, listener = g.bindings(value)
	return dialer, listener, nil
}

// bindings are the MACs over TLS's exporter value and the handshake before it.
func (g *greeted) bindings(value []byte) (dialer, listener [macSize]byte) {
	return g.secrets.mac(clientPrefix, g.m1[:], g.m2[:], value), g.secrets.mac(serverPrefix, g.m1[:], g.m2[:], value)
}

var errUnbound = errors.New("whoever ends TLS doesn't know the swarm's key")

// expect reads the other end's MAC.
func expect(t *tls.Conn, want [macSize]byte) error {
	var got [macSize]byte
	if _, err := io.ReadFull(t, got[:]); err != nil {
		return err
	}
	if !right(got[:], want) {
		return errUnbound
	}
	return nil
}
