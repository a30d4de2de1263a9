package gossip

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What memberlist puts before its encrypted messages.
//
//	packet:  0xF4, length of label, label, sealed
//	stream:  0xF4, length of label, label (towards the listener only), 10, length of sealed (4), sealed
//	sealed:  encryption version (1), nonce (12), ciphertext, tag (16)
const (
	labelByte     = 0xF4
	encryptByte   = 10
	sealVersion   = 1
	nonceLen      = 12
	sealLen       = 1 + nonceLen + 16
	peekLen       = 64 // plaintext that screen.stream looks at
	stateEntryMax = 256
)

// Message types of memberlist that may begin a stream.
const (
	pingByte     = 0
	ackByte      = 2
	pushPullByte = 6
	errByte      = 13
)

var (
	errScreen = errors.New("not a gossip message of ours")
	errBusy   = errors.New("too many exchanges of states")
)

// screen tells what may reach memberlist. Whoever holds the key can seal anything, and memberlist 0.7 panics on an empty
// plaintext in a stream and on the padding of encryption version 0, and allocates as many member records as a header claims.
type screen struct {
	label  []byte // with its two bytes before it
	block  cipher.Block
	states int // cap on the members in an exchange of states

	// afford tells whether we can answer another exchange of states; nil: always.
	afford func() bool
}

func newScreen(cfg Config) screen {
	block, err := aes.NewCipher(cfg.Key[:])
	if err != nil {
		panic("gossip: AES takes any 32 bytes: " + err.Error())
	}
	label := append([]byte{labelByte, byte(len(cfg.Label))}, cfg.Label...)
	return screen{label: label, block: block, states: 2*cfg.MaxMembers + 64}
}

// packet tells whether b has our label and can be opened without a panic.
func (s screen) packet(b []byte) bool {
	sealed, ok := bytes.CutPrefix(b, s.label)
	return ok && len(sealed) > sealLen && sealed[0] == sealVersion
}

// head reads what comes before the plaintext of a stream and the plaintext's beginning, and returns those bytes and how many
// follow. A stream that ends before its first byte gives io.EOF.
func (s screen) head(r io.Reader, inbound bool) (read []byte, rest int64, err error) {
	lead := 1 + 4
	if inbound {
		lead += len(s.label)
	}
	read = make([]byte, lead)
	if _, err := io.ReadFull(r, read); err != nil {
		return nil, 0, err
	}
	frame := read
	if inbound {
		if !bytes.HasPrefix(read, s.label) {
			return nil, 0, fmt.Errorf("%w: another label", errScreen)
		}
		frame = read[len(s.label):]
	}
	size := int64(binary.BigEndian.Uint32(frame[1:]))
	if frame[0] != encryptByte || size <= sealLen || size > int64(s.states)*stateEntryMax {
		return nil, 0, fmt.Errorf("%w: type %d, %d bytes", errScreen, frame[0], size)
	}
	begin := make([]byte, min(size, 1+nonceLen+peekLen))
	if _, err := io.ReadFull(r, begin); err != nil {
		return nil, 0, fmt.Errorf("read stream: %w", err)
	}
	if begin[0] != sealVersion {
		return nil, 0, fmt.Errorf("%w: encryption version %d", errScreen, begin[0])
	}
	if err := s.check(s.peek(begin, size), inbound); err != nil {
		return nil, 0, err
	}
	return append(read, begin...), size - int64(len(begin)), nil
}

// peek opens the beginning of a sealed message of size bytes, unauthenticated: memberlist checks the tag before it believes
// anything. GCM is counter mode from nonce || 2.
func (s screen) peek(begin []byte, size int64) []byte {
	plain := begin[1+nonceLen:]
	plain = bytes.Clone(plain[:min(int64(len(plain)), size-sealLen)])
	var counter [aes.BlockSize]byte
	copy(counter[:], begin[1:1+nonceLen])
	counter[aes.BlockSize-1] = 2
	cipher.NewCTR(s.block, counter[:]).XORKeyStream(plain, plain)
	return plain
}

// check judges a stream's message by its beginning.
func (s screen) check(plain []byte, inbound bool) error {
	switch kind := plain[0]; {
	case kind == pushPullByte:
		nodes, user, err := pushPullHeader(plain[1:])
		if err != nil {
			return err
		}
		if nodes > uint64(s.states) || user != 0 {
			return fmt.Errorf("%w: %d members, %d bytes of state", errScreen, nodes, user)
		}
		if inbound && s.afford != nil && !s.afford() {
			return errBusy
		}
		return nil
	case inbound && kind == pingByte, !inbound && (kind == ackByte || kind == errByte):
		return nil
	default:
		return fmt.Errorf("%w: message type %d", errScreen, kind)
	}
}

// pushPullHeader reads memberlist's header of an exchange of states: a msgpack map of Nodes, UserStateLen and Join.
func pushPullHeader(b []byte) (nodes, user uint64, err error) {
	const fixMap, fixStr = 0x80, 0xa0
	if len(b) == 0 || b[0] != fixMap|3 {
		return 0, 0, fmt.Errorf("%w: no header of states", errScreen)
	}
	b = b[1:]
	for range 3 {
		if len(b) == 0 || b[0]&^0x1f != fixStr || len(b) < 1+int(b[0]&0x1f) {
			return 0, 0, fmt.Errorf("%w: header of states", errScreen)
		}
		key := string(b[1 : 1+b[0]&0x1f])
		var v uint64
		if v, b, err = msgpackUint(b[1+b[0]&0x1f:]); err != nil {
			return 0, 0, err
		}
		switch key {
		case "Nodes":
			nodes = v
		case "UserStateLen":
			user = v
		case "Join":
		default:
			return 0, 0, fmt.Errorf("%w: header of states has %q", errScreen, key)
		}
	}
	return nodes, user, nil
}

// msgpackUint reads a boolean or an integer that isn't negative, and returns what follows.
func msgpackUint(b []byte) (uint64, []byte, error) {
	if len(b) == 0 {
		return 0, nil, fmt.Errorf("%w: cut number", errScreen)
	}
	kind, b := b[0], b[1:]
	var width int
	switch {
	case kind <= 0x7f:
		return uint64(kind), b, nil
	case kind == 0xc2 || kind == 0xc3:
		return uint64(kind & 1), b, nil
	case kind >= 0xcc && kind <= 0xcf:
		width = 1 << (kind - 0xcc)
	case kind >= 0xd0 && kind <= 0xd3:
		width = 1 << (kind - 0xd0)
	}
	if width == 0 || len(b) < width || kind >= 0xd0 && b[0] >= 0x80 {
		return 0, nil, fmt.Errorf("%w: number of type %#x", errScreen, kind)
	}
	var v uint64
	for _, c := range b[:width] {
		v = v<<8 | uint64(c)
	}
	return v, b[width:], nil
}
