package port

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// version is the protocol's.
const version = 1

// Kind is what a connection is for.
type Kind uint8

// Kinds of connection.
const (
	Session  Kind = 1 + iota // frames between members
	Gossip                   // memberlist's stream
	Observer                 // frames of one who is no member
)

// handshakeTime is how long a listener waits for all of a handshake.
const handshakeTime = 5 * time.Second

// Lengths of the messages, in bytes.
const (
	size1 = 48
	size2 = 36
	size3 = 16
)

// Statuses of message 2.
const (
	statusGoOn         = 0
	statusOtherVersion = 1
)

const magic = "p2pc"

type nonce [16]byte

func newNonce() (n nonce) {
	_, _ = rand.Read(n[:]) // never fails
	return n
}

// message1 is the dialer's first. Its layout is the same in every version.
//
//	| 0  | 4  | p2pc                                            |
//	| 4  | 1  | version                                         |
//	| 5  | 1  | kind: 1 session, 2 gossip, 3 observer           |
//	| 6  | 2  | flags: bit 0, TLS follows                       |
//	| 8  | 8  | tag                                             |
//	| 16 | 16 | nonce                                           |
//	| 32 | 16 | MAC over "p2pcp dial" || bytes 0..31            |
func message1(s *Secrets, ver uint8, kind Kind, n nonce) (m [size1]byte) {
	copy(m[:4], magic)
	m[4], m[5], m[7] = ver, byte(kind), s.flags()
	copy(m[8:16], s.Tag[:])
	copy(m[16:32], n[:])
	mac := s.mac(dialPrefix, m[:32])
	copy(m[32:], mac[:])
	return m
}

// message2 is the listener's answer.
//
//	| 0  | 1  | version                                                  |
//	| 1  | 1  | status: 0 go on, 1 another version                       |
//	| 2  | 2  | flags: as in message 1                                   |
//	| 4  | 16 | nonce                                                    |
//	| 20 | 16 | MAC over "p2pcp listen" || message 1 || bytes 0..19      |
func message2(s *Secrets, m1 [size1]byte, ver, status uint8, n nonce) (m [size2]byte) {
	m[0], m[1], m[3] = ver, status, s.flags()
	copy(m[4:20], n[:])
	mac := s.mac(listenPrefix, m1[:], m[:20])
	copy(m[20:], mac[:])
	return m
}

// message3 is the dialer's proof that it knows the secret now: MAC over "p2pcp confirm" || message 1 || message 2.
func message3(s *Secrets, m1 [size1]byte, m2 [size2]byte) [size3]byte {
	return s.mac(confirmPrefix, m1[:], m2[:])
}

// greeted is a handshake that has passed.
type greeted struct {
	kind    Kind
	secrets *Secrets
	m1      [size1]byte
	m2      [size2]byte
}

// greet runs the dialer's side on a connection. The caller sets a deadline before and clears it after, and closes conn
// on an error: ErrSilent when it closed, timed out or was answered by one who doesn't know the secret, a *VersionError
// when the other side speaks another version.
func greet(conn net.Conn, s *Secrets, kind Kind, n nonce) (greeted, error) {
	g := greeted{kind: kind, secrets: s, m1: message1(s, version, kind, n)}
	if _, err := conn.Write(g.m1[:]); err != nil {
		return g, fmt.Errorf("%w: %w", ErrSilent, err)
	}
	m2 := &g.m2
	_, err := io.ReadFull(conn, m2[:])
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return g, ErrSilent
	case err != nil:
		return g, fmt.Errorf("%w: %w", ErrSilent, err)
	}
	if !right(m2[20:], s.mac(listenPrefix, g.m1[:], m2[:20])) {
		return g, ErrSilent
	}
	// From here on it is our own swarm's listener that speaks.
	switch {
	case m2[0] != version:
		return g, &VersionError{Ours: version, Theirs: m2[0]}
	case m2[1] != statusGoOn || m2[2] != 0 || m2[3] != s.flags():
		return g, errors.New("handshake answered against the protocol")
	}
	m3 := message3(s, g.m1, g.m2)
	if _, err := conn.Write(m3[:]); err != nil {
		return g, fmt.Errorf("confirm handshake: %w", err)
	}
	return g, nil
}

// answer runs the listener's side: find gives the Secrets for a tag. All of it must be over within 5 s, however slowly
// bytes arrive; then the deadline is cleared. Nothing is sent to one who doesn't know the secret. The caller closes conn on
// an error.
func answer(conn net.Conn, find func(tag [8]byte) (Secrets, bool), n nonce) (greeted, error) {
	var g greeted
	if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return g, fmt.Errorf("set handshake deadline: %w", err)
	}
	m1 := &g.m1
	if _, err := io.ReadFull(conn, m1[:]); err != nil {
		return g, fmt.Errorf("read handshake: %w", err)
	}
	s, ok := find([8]byte(m1[8:16]))
	if string(m1[:4]) != magic || !ok || !right(m1[32:], s.mac(dialPrefix, m1[:32])) {
		return g, errRefused
	}
	if m1[4] != version {
		m2 := message2(&s, g.m1, version, statusOtherVersion, n)
		_, _ = conn.Write(m2[:]) // the connection ends either way
		return g, &VersionError{Ours: version, Theirs: m1[4]}
	}
	g.kind, g.secrets = Kind(m1[5]), &s
	if g.kind < Session || g.kind > Observer || m1[6] != 0 || m1[7] != s.flags() {
		return g, errRefused
	}
	g.m2 = message2(&s, g.m1, version, statusGoOn, n)
	if _, err := conn.Write(g.m2[:]); err != nil {
		return g, fmt.Errorf("answer handshake: %w", err)
	}
	var m3 [size3]byte
	if _, err := io.ReadFull(conn, m3[:]); err != nil {
		return g, fmt.Errorf("read confirmation: %w", err)
	}
	if !right(m3[:], message3(&s, g.m1, g.m2)) {
		return g, errRefused
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return g, fmt.Errorf("clear handshake deadline: %w", err)
	}
	return g, nil
}
