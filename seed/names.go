package seed

import "strings"

// Limits of a path and of what a symlink points to, in bytes (PROTOCOL 1.2).
const (
	maxPath = 4096
	maxLink = 4096
)

// linkTrouble tells why the symlink at rel (relative to the target, slash-separated) can't be sent: its own target is absolute, or
// climbs out when it is resolved lexically from the link's directory. "" if it can.
func linkTrouble(rel, link string) string {
	switch {
	case link == "":
		return "points nowhere"
	case len(link) > maxLink:
		return "points to a path longer than 4096 bytes"
	case strings.Contains(link, "\x00"):
		return "points to a path with a NUL"
	case strings.HasPrefix(link, "/"):
		return "is absolute"
	}
	depth := strings.Count(rel, "/")
	for part := range strings.SplitSeq(link, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return "leads outside of what is sent"
			}
		default:
			depth++
		}
	}
	return ""
}
