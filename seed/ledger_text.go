package seed

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what a receiver says of itself, in bytes (PROTOCOL 4.3).
const (
	maxMember = 80
	maxHost   = 255
	maxTarget = 4096
	maxReason = 1024
)

// cleanResult bounds the text of a Result and takes out what isn't to be shown.
func cleanResult(r Result) Result {
	r.Member = clean(r.Member, maxMember)
	r.Host = clean(r.Host, maxHost)
	r.Target = clean(r.Target, maxTarget)
	r.Reason = clean(r.Reason, maxReason)
	return r
}

// clean replaces what is no valid UTF-8 or not printable (control characters, line ends, changes of writing direction) by U+FFFD,
// and cuts to limit bytes between two characters.
func clean(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		if r != ' ' && !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// textLen is what a row's text takes, in bytes.
func textLen(r Result) int { return len(r.Member) + len(r.Host) + len(r.Target) + len(r.Reason) }
