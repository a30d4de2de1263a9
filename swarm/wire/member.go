package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxMember is the longest name of a member, in bytes.
const MaxMember = 80

// MemberName makes a process's name in the swarm from its host name and a random number: HOST-XXXXXXXX. What may not be in
// a name becomes a hyphen, and a long host name is cut.
func MemberName(host string, random uint32) string {
	suffix := fmt.Sprintf("-%08x", random)
	clean := strings.Map(func(r rune) rune {
		if r < '!' || r > '~' {
			return '-'
		}
		return r
	}, host)
	return clean[:min(len(clean), MaxMember-len(suffix))] + suffix
}

// MemberOf tells whether member is a name that MemberName makes of host.
func MemberOf(member, host string) bool {
	own := MemberName(host, 0)
	stem := len(own) - len("-00000000")
	return len(member) == len(own) && member[:stem] == own[:stem]
}

// ValidMember tells whether s can be a member's name: 1 to 80 printable ASCII characters, no space.
func ValidMember(s string) bool {
	if len(s) == 0 || len(s) > MaxMember {
		return false
	}
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return true
}

// appendMember appends 1 byte length and the name.
func appendMember(b []byte, name string) []byte {
	if !ValidMember(name) {
		panic(fmt.Sprintf("wire: member name %q", name))
	}
	return append(append(b, byte(len(name))), name...)
}

func (d *decoder) member() string {
	name := string(d.bytes(min(int(d.u8()), MaxMember+1)))
	d.check(ValidMember(name), "bad member name")
	return name
}

// clip mends what is not UTF-8 and cuts s to at most limit bytes, between characters.
func clip(s string, limit int) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
