package cmd

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// printable tells whether s may go to a terminal as it is: valid UTF-8, nothing but printable runes and spaces.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r != ' ' && !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// quoteName is a path or a host name as it is shown: unchanged where that is safe and unambiguous, else as a Go string.
// Escape sequences, newlines and characters that turn the direction of text never reach a terminal or a log.
func quoteName(s string) string {
	if s != "" && printable(s) && s[0] != '"' {
		return s
	}
	return strconv.Quote(s)
}

// quoteArg is a name inside a sentence, always in quotes.
func quoteArg(s string) string { return strconv.Quote(s) }

// quoteMessage makes one safe line of a message that may hold somebody else's words: escapes stand for what can't be printed.
func quoteMessage(s string) string {
	if printable(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

// quoteJSON makes JSON safe to be shown: what can't be printed stands there as \uXXXX. encoding/json leaves DEL, the C1 controls and what
// turns the direction of text as they are. Outside of strings JSON has nothing of the kind.
func quoteJSON(s string) string {
	if printable(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r == ' ' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// sumLine is a line as b3sum prints it and b3sum --check reads it: a name that holds a backslash or a line break is escaped,
// and a leading backslash says so. Other control characters and bytes that are no UTF-8 become U+FFFD only in the latter case.
func sumLine(hex, path string) string {
	path = strings.ToValidUTF8(path, "\uFFFD")
	if !strings.ContainsAny(path, "\\\n\r") {
		return hex + "  " + path
	}
	return `\` + hex + "  " + strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(path)
}
