package port

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// CVE-2023-43617 and CVE-2023-43618 (croc): what a relay was sent told it the secret, and local addresses. CVE-2025-59346 and
// CVE-2026-54637 (Dragonfly): a peer chose what was sent to whom. All that who isn't in the swarm is ever sent by a dialer is 48 bytes:
// constants, the tag, a nonce and a MAC. Nobody else's bytes are among them, nor ID, key or an address.
func TestCVE_2023_43617_43618_2025_59346_2026_54637_StrangersGetATag(t *testing.T) {
	for name, s := range map[string]Secrets{"plain": swarm(1), "encrypted": secret(1)} {
		var said []byte
		done := make(chan struct{})
		to := impostor(t, func(c net.Conn) {
			defer close(done)
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			said = make([]byte, size1)
			_, _ = io.ReadFull(c, said)
			_, _ = c.Write(make([]byte, size2))
			more, _ := io.ReadAll(c)
			said = append(said, more...)
		})
		if _, err := Dial(t.Context(), to, s, Session); err == nil {
			t.Errorf("%s: a stranger is believed", name)
		}
		<-done
		want := message1(&s, version, Session, nonce(said[16:32]))
		if !bytes.Equal(said, want[:]) {
			t.Errorf("%s: said %x", name, said)
		}
		id, key := [32]byte{1}, bytes.Repeat([]byte{1}, 16)
		for _, what := range [][]byte{id[:8], key[:4], s.Session[:4], s.GossipKey[:4], to.Addr().AsSlice()} {
			if bytes.Contains(said[8:], what) {
				t.Errorf("%s: %x is in %x", name, what, said)
			}
		}
	}
}

// CVE-2025-59345 (Dragonfly), CVE-2026-41176, CVE-2026-41179, CVE-2026-49980 (rclone rc): endpoints and control without authentication.
// There is one listener, and it says nothing to any of these.
func TestCVE_2025_59345_2026_41176_41179_49980_NothingWithoutTheKey(t *testing.T) {
	p, stop := serve(t, "127.0.0.1:0", map[byte]func(Kind, net.Conn){1: func(Kind, net.Conn) { t.Error("let in") }})
	defer stop()
	for _, say := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /rc/core/command HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "GET /debug/pprof/heap HTTP/1.0\r\n\r\n",
		"GET /metrics HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "SSH-2.0-x\r\n", "p2pc",
	} {
		conn, err := net.Dial("tcp", p.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(say + strings.Repeat(" ", size1)))
		_ = conn.(*net.TCPConn).CloseWrite()
		if answer, _ := io.ReadAll(conn); len(answer) > 0 {
			t.Errorf("%q is answered %q", say, answer)
		}
		conn.Close()
	}
}

// CVE-2025-59350 (Dragonfly), GHSA-mfvx-7rcj-9m5g (rclone): secrets compared byte by byte until the first that differs. Every received
// MAC of this package goes through right, which doesn't stop there.
func TestCVE_2025_59350_MACsAreComparedInConstantTime(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls, constant := 0, 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if ok && x.Name == "bytes" {
					t.Errorf("%s uses bytes.%s", name, n.Sel.Name)
				}
				if ok && x.Name == "subtle" && n.Sel.Name == "ConstantTimeCompare" {
					constant++
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "right" {
					calls++
				}
			}
			return true
		})
	}
	if calls < 5 || constant != 1 { // messages 1, 2, 3, TLS's, ping's
		t.Errorf("%d calls of right, %d comparisons in it", calls, constant)
	}
}

// CVE-2025-59353 (Dragonfly): a certificate for any address made anybody a peer. Here no certificate makes one: TestManInTheMiddle has
// its own for both sides. CVE-2023-27584 (Dragonfly): a key in the program. Two swarms of one secret or one ID share no key.
func TestCVE_2023_27584_NoKeyIsBuiltIn(t *testing.T) {
	seen := map[[32]byte]bool{}
	for _, s := range []Secrets{
		swarm(0), swarm(1), secret(0), secret(1), Derive(make([]byte, 16), [32]byte{1}), Derive(bytes.Repeat([]byte{1}, 16), [32]byte{}),
		Derive(make([]byte, 32), [32]byte{}),
	} {
		for _, key := range [][32]byte{s.Session, s.GossipKey} {
			if seen[key] {
				t.Errorf("%x is a key twice", key)
			}
			seen[key] = true
		}
	}
}
