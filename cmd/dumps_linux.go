package cmd

import "golang.org/x/sys/unix"

// forbidDumps covers what the limit doesn't: a core_pattern that is a program gets a dump whatever the limit. Other processes of
// the same user can't read our memory or environment from then on; root's can.
func forbidDumps() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
