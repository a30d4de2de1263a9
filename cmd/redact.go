package cmd

import (
	"strings"

	"p2pcp/seed"
)

// The words that may hold a key begin so, and go on in base32: a ticket, and the line of a key file.
const (
	ticketMark = "p2pcp1"
	keyMark    = "p2pcp-key1-"
)

// redact takes the keys out of a message: whatever a user took for a path or an address may have been a ticket, and a message may
// end up in a log. A ticket that is whole and has no key stays.
func redact(s string) string {
	low := asciiLower(s)
	var b strings.Builder
	done := 0
	for at := 0; at < len(s); at++ {
		mark := ticketMark
		if strings.HasPrefix(low[at:], keyMark) {
			mark = keyMark
		} else if !strings.HasPrefix(low[at:], ticketMark) {
			continue
		}
		begin := at + len(mark)
		end := begin
		for end < len(low) && (low[end] >= 'a' && low[end] <= 'z' || low[end] >= '2' && low[end] <= '7') {
			end++
		}
		if t, err := seed.ParseTicket(s[at:end]); err == nil && t.Key == nil {
			at = end - 1
			continue
		}
		if end > begin {
			b.WriteString(s[done:begin] + "...")
			done = end
		}
		at = end - 1
	}
	return b.String() + s[done:]
}

// asciiLower is as long as s, unlike what strings.ToLower may give.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
