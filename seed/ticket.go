package seed

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"p2pcp/blocks"
)

// KeySize is the length of a ticket's key, in bytes.
const KeySize = 16

// MaxAddrs is how many addresses a ticket holds at most.
const MaxAddrs = 4

// Ticket is what get needs (PROTOCOL 6). A value; its slices are not to be changed once it is shared.
type Ticket struct {
	Encrypted bool
	ID        blocks.Root
	Key       []byte           // KeySize bytes, or nil: a key file is needed
	Addrs     []netip.AddrPort // at most MaxAddrs; none has a zone or is a v4 address written as v6
}

// A ticket's word is ticketPrefix and the base32 of:
//
//	| size | field |
//	|---|---|
//	| 1 | flags: bit 0 key present, bit 1 encrypted |
//	| 32 | ID |
//	| 16 | key, if flag bit 0 |
//	| 1 | number of addresses, 0..4 |
//	| each 7 or 19 | family (4 or 6), IP, port |
//	| 4 | first bytes of BLAKE3 of all before |
const (
	ticketPrefix  = "p2pcp1"
	ticketScheme  = "p2pcp:"
	flagKey       = 1
	flagEncrypted = 2
	sumSize       = 4
	maxTicketText = 4096 // characters looked at; a version 1 ticket has at most 214
)

// word32 is the base32 of tickets and key files: safe in every shell, URL and file name.
func word32() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

// NewKey draws a ticket's key: KeySize bytes.
func NewKey() []byte {
	key := make([]byte, KeySize)
	rand.Read(key) // never fails: it ends the program instead
	return key
}

// String returns the one word that get takes. Only the first MaxAddrs valid addresses are in it. It panics on a Key of another
// length than KeySize: that ticket would let nobody in, or everybody.
func (t Ticket) String() string {
	if t.Key != nil && len(t.Key) != KeySize {
		panic("seed: a ticket's key has the wrong length")
	}
	b := make([]byte, 1, 160)
	if t.Key != nil {
		b[0] |= flagKey
	}
	if t.Encrypted {
		b[0] |= flagEncrypted
	}
	b = append(b, t.ID[:]...)
	b = append(b, t.Key...)
	addrs := dialable(t.Addrs)
	b = append(b, byte(len(addrs)))
	for _, a := range addrs {
		b = appendAddr(b, a)
	}
	sum := blocks.Sum(b)
	b = append(b, sum[:sumSize]...)
	return ticketPrefix + word32().EncodeToString(b)
}

// Public returns the ticket without its key, safe to be shown to anybody: who uses it needs the key file.
func (t Ticket) Public() Ticket {
	t.Key = nil
	t.Addrs = slices.Clone(t.Addrs)
	return t
}

// dialable returns the addresses that a ticket can carry, in the form in which it carries them.
func dialable(addrs []netip.AddrPort) []netip.AddrPort {
	var out []netip.AddrPort
	for _, a := range addrs {
		if len(out) == MaxAddrs {
			break
		}
		if a.IsValid() {
			out = append(out, netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()))
		}
	}
	return out
}

func appendAddr(b []byte, a netip.AddrPort) []byte {
	if a.Addr().Is4() {
		b = append(b, 4)
	} else {
		b = append(b, 6)
	}
	b = append(b, a.Addr().AsSlice()...)
	return binary.BigEndian.AppendUint16(b, a.Port())
}

// ParseTicket reads a ticket. White space around it, `p2pcp:` before it and upper case are accepted. Errors wrap ErrTicket and
// never repeat what was read: it may hold a key.
func ParseTicket(s string) (Ticket, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxTicketText {
		return Ticket{}, fmt.Errorf("%w: this is not a p2pcp ticket", ErrTicket)
	}
	s = strings.TrimPrefix(strings.ToLower(s), ticketScheme)
	body, ok := strings.CutPrefix(s, ticketPrefix)
	if !ok {
		return Ticket{}, prefixTrouble(s)
	}
	if i := strings.IndexFunc(body, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') }); i >= 0 {
		return Ticket{}, fmt.Errorf("%w is damaged (checksum): character %d belongs to no ticket", ErrTicket, len(ticketPrefix)+i+1)
	}
	b, err := word32().DecodeString(body)
	if err != nil || len(b) <= sumSize {
		return Ticket{}, fmt.Errorf("%w is cut short", ErrTicket)
	}
	head, sum := b[:len(b)-sumSize], blocks.Sum(b[:len(b)-sumSize])
	// The encoder's spare bits must be zero too: one ticket has one spelling.
	if string(sum[:sumSize]) != string(b[len(head):]) || word32().EncodeToString(b) != body {
		if len(b) < ticketNeeds(b) {
			return Ticket{}, fmt.Errorf("%w is cut short", ErrTicket)
		}
		return Ticket{}, fmt.Errorf("%w is damaged (checksum)", ErrTicket)
	}
	return parseFields(head)
}

// prefixTrouble tells what a word that doesn't begin as ours is.
func prefixTrouble(s string) error {
	rest, ours := strings.CutPrefix(s, "p2pcp")
	switch {
	case ours && rest != "" && rest[0] >= '2' && rest[0] <= '9':
		return fmt.Errorf("%w is of a newer version of p2pcp", ErrTicket)
	case s != "" && strings.HasPrefix(ticketPrefix, s):
		return fmt.Errorf("%w is cut short", ErrTicket)
	}
	return fmt.Errorf("%w: this is not a p2pcp ticket", ErrTicket)
}

// ticketNeeds is how long the ticket that begins with b should be in bytes, as far as b tells.
func ticketNeeds(b []byte) int {
	count := 1 + len(blocks.Root{})
	if b[0]&flagKey != 0 {
		count += KeySize
	}
	if len(b) <= count {
		return count + 1 + sumSize
	}
	need := count + 1
	for range min(int(b[count]), MaxAddrs) {
		if need < len(b) && b[need] == 6 {
			need += 1 + 16 + 2
		} else {
			need += 1 + 4 + 2
		}
	}
	return need + sumSize
}

// parseFields reads what the checksum vouches for, so whatever is odd here was written by another version.
func parseFields(b []byte) (Ticket, error) {
	newer := fmt.Errorf("%w is of a newer version of p2pcp", ErrTicket)
	if b[0]&^(flagKey|flagEncrypted) != 0 || len(b)+sumSize < ticketNeeds(b) {
		return Ticket{}, newer
	}
	t := Ticket{Encrypted: b[0]&flagEncrypted != 0}
	withKey := b[0]&flagKey != 0
	b = b[1:]
	b = b[copy(t.ID[:], b):]
	if withKey {
		t.Key = slices.Clone(b[:KeySize])
		b = b[KeySize:]
	}
	n := int(b[0])
	if n > MaxAddrs {
		return Ticket{}, newer
	}
	b = b[1:]
	for range n {
		a, rest, ok := cutAddr(b)
		if !ok {
			return Ticket{}, newer
		}
		t.Addrs, b = append(t.Addrs, a), rest
	}
	if len(b) != 0 {
		return Ticket{}, newer
	}
	return t, nil
}

// cutAddr reads one address; false if it is of an unknown family, short, or a v4 address in v6 clothes.
func cutAddr(b []byte) (a netip.AddrPort, rest []byte, ok bool) {
	if len(b) == 0 || (b[0] != 4 && b[0] != 6) {
		return a, nil, false
	}
	n := 4
	if b[0] == 6 {
		n = 16
	}
	if len(b) < 1+n+2 {
		return a, nil, false
	}
	ip, _ := netip.AddrFromSlice(b[1 : 1+n])
	if ip.Is4In6() {
		return a, nil, false
	}
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[1+n:])), b[1+n+2:], true
}
