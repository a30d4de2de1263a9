package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/seed"
	"p2pcp/swarm"

	"github.com/spf13/cobra"
)

// Exit codes. They are ordered so that the largest of many hosts' codes, which is what pdsh -S and clush -S return, is the
// worst that happened.
const (
	exitOK         = 0
	exitFailure    = 1
	exitUsage      = 2
	exitGoal       = 3
	exitExists     = 4
	exitTimeout    = 5
	exitNobody     = 6
	exitLocal      = 7
	exitAuth       = 8
	exitIntegrity  = 9
	exitInterrupt  = 130 // 128 + SIGINT
	exitPipe       = 141 // 128 + SIGPIPE
	exitTerminated = 143 // 128 + SIGTERM
)

// exitRow is one line of the table that the help, the README and the tests share.
type exitRow struct {
	Code    int
	Meaning string
	Again   bool // the same command may succeed later, and resumes
}

// exitTable is every code that p2pcp returns.
var exitTable = []exitRow{
	{exitOK, "complete and verified (changed or unchanged)", false},
	{exitFailure, "a failure without a code of its own; another protocol version", false},
	{exitUsage, "wrong usage, or a malformed ticket", false},
	{exitGoal, "this side is good, the goal isn't met (--expect, wait's --timeout)", false},
	{exitExists, "the destination exists and differs, and no --force (or it has more, and no --delete)", false},
	{exitTimeout, "timed out, or no progress; what arrived is kept", true},
	{exitNobody, "nobody reached, or a block has no holder left; what arrived is kept", true},
	{exitLocal, "this host: space, permission, file system, port taken, source changed", false},
	{exitAuth, "refused: wrong key or ticket", false},
	{exitIntegrity, "content or manifest is not what it should be; 'verify' found a difference", false},
	{exitInterrupt, "interrupted (SIGINT)", true},
	{exitPipe, "stdout or stderr is gone (SIGPIPE)", true},
	{exitTerminated, "terminated (SIGTERM)", true},
}

// sentinels maps the errors of the packages below to codes; the first that matches counts.
var sentinels = []struct {
	err  error
	code int
	hint string
}{
	{seed.ErrChanged, exitLocal, "seed it again: its content is another one now"},
	{seed.ErrTicket, exitUsage, "copy all of it: one word that begins with p2pcp1"},
	{seed.ErrPattern, exitUsage, ""},
	{seed.ErrEmpty, exitUsage, ""},
	{seed.ErrMissing, exitLocal, "is the path right, and on this host?"},
	{seed.ErrSameName, exitUsage, "rename one of them, or seed the directory that holds them"},
	{seed.ErrUnreadable, exitLocal, "leave it out with --exclude, or make it readable"},
	{seed.ErrRefused, exitLocal, "leave it out with --exclude, or rename it"},
	{blocks.ErrNoSpace, exitLocal, "free some space, or choose another place with -o; what arrived is kept"},
	{blocks.ErrGone, exitLocal, "make it again, or choose another place with -o"},
	{blocks.ErrNotOurs, exitLocal, "remove it if nobody needs it, or choose another place with -o"},
	{blocks.ErrForeignLink, exitLocal, "name the place it leads to, if that is what you mean"},
	{blocks.ErrManifest, exitIntegrity, "don't trust this seed"},
	{blocks.ErrBadBlock, exitIntegrity, ""},
	{swarm.ErrNobody, exitNobody, "is the seed running and its port open? 'p2pcp ping TICKET' tells"},
	{swarm.ErrLost, exitNobody, "the same command resumes once somebody seeds again"},
	{swarm.ErrStalled, exitTimeout, "the same command resumes; 'p2pcp status TICKET' shows who is slow"},
	{port.ErrTaken, exitLocal, "stop what uses it, or give another --listen"},
	{port.ErrListen, exitLocal, "--listen takes an address of this host and a port from 1024 on; leave it out to listen everywhere"},
	{port.ErrInsecure, exitAuth, "nothing was sent; look who is on the way to the seed, or try from another network"},
	{port.ErrSilent, exitAuth, "is it the right ticket or --key-file? the seed may have ended, or begun anew with another key"},
	{port.ErrVersion, exitFailure, "use the same release of p2pcp on both hosts"},
	{context.DeadlineExceeded, exitTimeout, "the same command resumes"},
	{context.Canceled, exitInterrupt, ""},
	{syscall.ENOSPC, exitLocal, "free some space; the same command resumes"},
	{syscall.EDQUOT, exitLocal, "the quota is used up; the same command resumes"},
	{syscall.EROFS, exitLocal, "choose another place with -o"},
	{fs.ErrPermission, exitLocal, ""},
	{fs.ErrNotExist, exitLocal, ""},
	{fs.ErrExist, exitExists, ""},
	{seed.ErrKeyFile, exitUsage, ""},
	{seed.ErrTicketFile, exitUsage, ""},
}

// exitError carries its own code.
type exitError struct {
	code   int
	err    error
	hint   string // what to do next, one line; may be empty
	silent bool   // has been told already: print nothing
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitf makes an error with a code and a hint.
func exitf(code int, hint, format string, args ...any) error {
	return &exitError{code: code, err: fmt.Errorf(format, args...), hint: hint}
}

// usagef makes a usage error.
func usagef(hint, format string, args ...any) error {
	return exitf(exitUsage, hint, format, args...)
}

// exitSilently ends with a code that needs no message.
func exitSilently(code int, err error) error { return &exitError{code: code, err: err, silent: true} }

// classify finds the code and the hint of an error.
func classify(err error) *exitError {
	var own *exitError
	if errors.As(err, &own) {
		// What was wrapped around it belongs to the message.
		return &exitError{code: own.code, err: err, hint: own.hint, silent: own.silent}
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return &exitError{code: s.code, err: err, hint: s.hint}
		}
	}
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return &exitError{code: exitLocal, err: err}
	}
	return &exitError{code: exitFailure, err: err}
}

// withHelp says of wrong usage, where no better hint is known, where the right one is.
func withHelp(c *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	e := classify(err)
	if e.code != exitUsage || e.hint != "" || e.silent {
		return err
	}
	e.hint = "'" + c.CommandPath() + " --help' tells more"
	return e
}

// exitMessage is the JSON form of an error.
type exitMessage struct {
	Type    string `json:"message_type"` // exit_error
	Code    int    `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// end reports err, if any, and returns the exit code. A lost stdout is an error even where the command saw none.
func (a *app) end(err error) int {
	if err == nil {
		err = a.stdout.failure()
	}
	if err == nil {
		return exitOK
	}
	if errors.Is(err, context.Canceled) {
		if cause := context.Cause(a.ctx); cause != nil {
			err = cause
		}
	}
	e := classify(err)
	if e.silent {
		return e.code
	}
	text := quoteMessage(e.Error())
	if a.wantsJSON() {
		a.screen.message(jsonLine(exitMessage{Type: "exit_error", Code: e.code, Message: text, Hint: e.hint}))
		return e.code
	}
	a.screen.message("p2pcp: error: " + text)
	if e.hint != "" {
		a.screen.message("p2pcp: hint: " + quoteMessage(e.hint))
	}
	return e.code
}

// exitCodesText is the table as the help prints it.
func exitCodesText() string {
	var b strings.Builder
	b.WriteString("p2pcp returns these codes. 'again' marks those after which the same command may\n" +
		"succeed, and resumes. The larger the code, the worse: pdsh -S and clush -S\nreturn the largest of all hosts.\n\n")
	for _, row := range exitTable {
		again := "     "
		if row.Again {
			again = "again"
		}
		fmt.Fprintf(&b, "  %3d  %s  ", row.Code, again)
		b.WriteString(strings.ReplaceAll(wrapText(row.Meaning, 80-14), "\n", "\n"+strings.Repeat(" ", 14)))
		b.WriteByte('\n')
	}
	return b.String()
}

// newExitCodesTopic is 'p2pcp help exit-codes'.
func newExitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesText()}
}
