package cmd

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"p2pcp/seed"
)

// tap is a place on the way to a seed: it hands connections on and keeps all that passes.
type tap struct {
	at     string // its address
	mu     sync.Mutex
	passed bytes.Buffer
}

// Write implements io.Writer.
func (p *tap) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed.Write(b)
}

func (p *tap) saw(what string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Contains(p.passed.Bytes(), []byte(what))
}

// newTap listens in the seed's place; between has each connection with the one to the seed.
func newTap(t *testing.T, seedAt string, between func(p *tap, conn, up net.Conn)) *tap {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{at: ln.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", seedAt)
			if err != nil {
				conn.Close()
				continue
			}
			all.Go(func() {
				defer conn.Close()
				defer up.Close()
				between(p, conn, up)
			})
		}
	})
	t.Cleanup(func() { ln.Close(); all.Wait() })
	return p
}

// copyBoth hands on what a and b say until one ends.
func (p *tap) copyBoth(a, b net.Conn) {
	var back sync.WaitGroup
	back.Go(func() { _, _ = io.Copy(a, io.TeeReader(b, p)); a.Close() })
	_, _ = io.Copy(b, io.TeeReader(a, p))
	b.Close()
	back.Wait()
}

// interceptTLS hands the handshake on as it is and ends TLS on both sides, by a certificate of its own.
func (p *tap) interceptTLS(conn, up net.Conn) {
	for _, hop := range []struct {
		from, to net.Conn
		size     int64
	}{{conn, up, 48}, {up, conn, 36}, {conn, up, 16}} {
		if _, err := io.CopyN(hop.to, hop.from, hop.size); err != nil {
			return
		}
	}
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(7)}
	der, _ := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	own := &tls.Config{
		InsecureSkipVerify: true, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}
	p.copyBoth(tls.Server(conn, own), tls.Client(up, own))
}

// An encrypted swarm works as any other, with a key file too, and nothing of it can be read on the way. In a plain one it can:
// otherwise this test would show nothing.
func TestEncryptedSwarm(t *testing.T) {
	l := newSandbox(t)
	l.ok("keygen", "-o", "key")
	const marker, name = "words that nobody else may read", "a-name-that-nobody-else-may-read"
	l.write("src/"+name, strings.Repeat(marker, 5000))
	for _, c := range []struct {
		seed, get []string
		private   bool
	}{
		{nil, nil, false},
		{[]string{"--encrypt"}, nil, true},
		{[]string{"--encrypt", "--key-file", "key"}, []string{"--key-file", "key"}, true},
	} {
		at := "127.0.0.1:" + freePort(t)
		p := newTap(t, at, (*tap).copyBoth)
		ticket, b := l.seed(append([]string{"src", "--listen", at, "--advertise", p.at}, c.seed...)...)
		l.ok(append([]string{"get", ticket, "--listen", "127.0.0.1", "-o", "to/", "--linger", "0"}, c.get...)...)
		l.holds("to/src/"+name, []byte(strings.Repeat(marker, 5000)))
		l.check(syscall.Rename(l.path("to/src"), l.path("to/old-"+freePort(t))))
		for _, words := range [][]string{{"ls", ticket}, {"status", ticket}, {"verify", ticket, "src"}, {"ping", ticket}, {"get", "-n", ticket, "-o", "to/"}} {
			out := l.ok(append(words, c.get...)...)
			if words[0] == "ls" && !strings.Contains(out, name) {
				t.Errorf("ls: %s", out)
			}
		}
		if show := l.ok("ticket", "show", ticket); strings.Contains(show, "data       encrypted") != c.private {
			t.Errorf("%v: %s", c.seed, show)
		}
		for _, what := range []string{marker, name, "p2pcpM1"} {
			if p.saw(what) == c.private {
				t.Errorf("%v: %q seen on the way: %v", c.seed, what, !c.private)
			}
		}
		b.exits(t, syscall.SIGTERM)
	}
}

// A man in the middle without the key, who ends TLS on both sides: get is refused, and neither side has told him anything.
func TestManInTheMiddleOfGet(t *testing.T) {
	l := newSandbox(t)
	const name = "a-name-that-nobody-else-may-read"
	l.write(name, "content")
	at := "127.0.0.1:" + freePort(t)
	p := newTap(t, at, (*tap).interceptTLS)
	ticket, _ := l.seed(name, "--listen", at, "--advertise", p.at, "--encrypt")
	errs := l.fails(exitAuth, ticket, "-o", "to/")
	if !strings.Contains(errs, "somebody may stand in between") {
		t.Errorf("stderr %s", errs)
	}
	if p.saw(name) || p.saw("content") {
		t.Error("he has seen something")
	}
}

// Tickets whose flag was turned lead nowhere, in both directions, with the key in the ticket or in a file.
func TestTurnedTicketFlag(t *testing.T) {
	l := newSandbox(t)
	l.ok("keygen", "-o", "key")
	l.write("a", "content")
	for _, encrypt := range [][]string{nil, {"--encrypt"}} {
		for _, key := range [][]string{nil, {"--key-file", "key"}} {
			word, _ := l.seed(append(append([]string{"a"}, encrypt...), key...)...)
			turned, err := seed.ParseTicket(word)
			l.check(err)
			turned.Encrypted = !turned.Encrypted
			l.fails(exitAuth, append([]string{turned.String(), "-o", "to/"}, key...)...)
		}
	}
}

// A restarted seed doesn't open what was closed because its flag was forgotten; one that is closed later gets another ticket.
func TestEncryptionIsKeptWithTheTicket(t *testing.T) {
	l := newSandbox(t)
	l.write("a", "content")
	at := "127.0.0.1:" + freePort(t)
	run := func(flags ...string) (string, string) {
		word, b := l.seed(append([]string{"a", "--listen", at, "--ticket-file", "tf"}, flags...)...)
		b.exits(t, syscall.SIGTERM)
		return word, b.stderr(t)
	}
	plain, _ := run()
	closed, said := run("--encrypt")
	again, _ := run()
	if plain == closed || closed != again || !strings.Contains(said, "without encryption: it is replaced") {
		t.Errorf("%s\n%s\n%s\n%s", plain, closed, again, said)
	}
	if parsed, err := seed.ParseTicket(closed); err != nil || !parsed.Encrypted {
		t.Errorf("%+v %v", parsed, err)
	}
}

// With a key file the ticket alone is worthless: not to fetch, to look, to ask or to ping; nor with another key.
func TestTicketWithoutItsKeyFile(t *testing.T) {
	l := newSandbox(t)
	l.ok("keygen", "-o", "key")
	l.ok("keygen", "-o", "other")
	l.write("secret-name", "content")
	for _, encrypt := range [][]string{nil, {"--encrypt"}} {
		ticket, b := l.seed(append([]string{"secret-name", "--key-file", "key"}, encrypt...)...)
		for _, words := range [][]string{{"get", "-o", "to/", ticket}, {"ls", ticket}, {"status", ticket}, {"verify", ticket, "secret-name"}, {"ping", ticket}} {
			for _, key := range [][]string{nil, {"--key-file", "other"}} {
				out, errs, code := l.run(append(words, key...)...)
				if code != exitAuth && words[0] != "ping" || code == exitOK || out != "" && words[0] != "ping" {
					t.Errorf("%v %v: exit %d %s%s", words, key, code, out, errs)
				}
			}
		}
		l.ok("get", "-o", "to/", ticket, "--key-file", "key", "--linger", "0", "--listen", "127.0.0.1")
		b.exits(t, syscall.SIGTERM)
	}
}
