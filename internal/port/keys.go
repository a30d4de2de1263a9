package port

import (
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/zeebo/blake3"
)

// Contexts of the key derivation (PROTOCOL.md 2).
const (
	tagContext     = "p2pcp 2026-11 v1 swarm tag"
	sessionContext = "p2pcp 2026-11 v1 session"
	gossipContext  = "p2pcp 2026-11 v1 gossip key"
	labelContext   = "p2pcp 2026-11 v1 gossip label"
)

// Secrets are what is derived from a secret and an ID. Only Tag and Label are ever sent. The keys come last: the trace of a panic shows
// the first ten words of an argument.
type Secrets struct {
	Label string      // memberlist's label: p2pcp/ and 16 hex digits
	tls   *tls.Config // of an encrypted swarm; nil: plain

	Tag       [8]byte  // names the swarm in handshakes and pings
	Session   [32]byte // key of every MAC of this package
	GossipKey [32]byte // memberlist's AES-256 key
}

// Encrypted tells whether sessions and observers go on by TLS.
func (s *Secrets) Encrypted() bool { return s.tls != nil }

// MarshalText and Format let nothing but the tag get into a log.
func (s Secrets) MarshalText() ([]byte, error) {
	return []byte("swarm " + hex.EncodeToString(s.Tag[:])), nil
}

// Format implements fmt.Formatter.
func (s Secrets) Format(f fmt.State, _ rune) {
	text, _ := s.MarshalText() // never fails
	_, _ = f.Write(text)
}

// Flags of messages 1 and 2.
const flagTLS = 1

func (s *Secrets) flags() byte {
	if s.Encrypted() {
		return flagTLS
	}
	return 0
}

// Derive makes the Secrets of a secret of 16 bytes (from a ticket) or 32 bytes (from a key file). It panics on another
// length: a swarm under an empty key would be open to all.
func Derive(secret []byte, id [32]byte) Secrets { return derive(secret, id, nil) }

// DeriveEncrypted is Derive for an encrypted swarm. All of it differs from a plain one's: who was made to take the one for the
// other, by a ticket with its flag turned, finds nobody.
func DeriveEncrypted(secret []byte, id [32]byte) Secrets {
	s := derive(secret, id, []byte{1})
	s.tls = newTLS()
	return s
}

func derive(secret []byte, id [32]byte, mode []byte) Secrets {
	if len(secret) != 16 && len(secret) != 32 {
		panic(fmt.Sprintf("port: secret of %d bytes", len(secret)))
	}
	material := slices.Concat(secret, id[:], mode)
	var s Secrets
	var label [8]byte
	blake3.DeriveKey(tagContext, material, s.Tag[:])
	blake3.DeriveKey(sessionContext, material, s.Session[:])
	blake3.DeriveKey(gossipContext, material, s.GossipKey[:])
	blake3.DeriveKey(labelContext, material, label[:])
	s.Label = "p2pcp/" + hex.EncodeToString(label[:])
	return s
}

// macSize is the length of a MAC in bytes.
const macSize = 16

// Prefixes that keep the MACs apart, so that no message can be sent back as another.
const (
	dialPrefix    = "p2pcp dial"
	listenPrefix  = "p2pcp listen"
	confirmPrefix = "p2pcp confirm"
	pingPrefix    = "p2pcp ping"
	clientPrefix  = "p2pcp tls dial"
	serverPrefix  = "p2pcp tls listen"
)

// mac is BLAKE3 keyed by the session key over prefix and parts, cut to 16 bytes.
func (s *Secrets) mac(prefix string, parts ...[]byte) (m [macSize]byte) {
	h, err := blake3.NewKeyed(s.Session[:])
	if err != nil {
		panic(err) // only for a key that is not 32 bytes long
	}
	_, _ = h.WriteString(prefix)
	for _, p := range parts {
		_, _ = h.Write(p)
	}
	copy(m[:], h.Sum(nil))
	return m
}

// right compares a received MAC in constant time.
func right(got []byte, want [macSize]byte) bool {
	return subtle.ConstantTimeCompare(got, want[:]) == 1
}
