package seed

import "p2pcp/blocks"

// Limits of a path and of what a symlink points to, in bytes (PROTOCOL 1.2).
const (
	maxPath = 4096
	maxLink = 4096
)

// linkTrouble tells why receivers would refuse the symlink at rel (relative to the target, slash-separated): by their own rule, so
// that it is known before anything is hashed. "" if they take it.
func linkTrouble(rel, link string) string {
	if err := blocks.CheckLink(rel, link); err != nil {
		return err.Error()
	}
	return ""
}
