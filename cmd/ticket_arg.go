package cmd

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"

	"p2pcp/seed"
)

// maxTicketInput is the most that is read of a ticket file or stdin, in bytes. A ticket has about 150.
const maxTicketInput = 4 << 10

// ticketHint says how a ticket may be given.
const ticketHint = "give the ticket itself, @FILE that holds it, or - to read it from stdin"

// ticket resolves what the user gave as TICKET|-|@FILE. Only "-" reads stdin; in a background process it reads what the
// command that started it has resolved.
func (a *app) ticket(word string) (seed.Ticket, error) {
	text, from := word, ""
	switch {
	case word == "":
		return seed.Ticket{}, usagef(ticketHint, "the ticket is empty")
	case word == "-":
		from = "stdin"
		r := io.Reader(a.stdin)
		if a.child != nil {
			pipe, err := a.child.ticket()
			if err != nil {
				return seed.Ticket{}, err
			}
			defer pipe.Close()
			r = pipe
		}
		var err error
		if text, err = readTicket(r); err != nil {
			return seed.Ticket{}, err
		}
	case word[0] == '@':
		from = quoteName(word[1:])
		f, err := os.Open(word[1:])
		if err != nil {
			return seed.Ticket{}, exitf(exitLocal, ticketHint, "read ticket: %w", err)
		}
		defer f.Close()
		if text, err = readTicket(f); err != nil {
			return seed.Ticket{}, err
		}
	}
	if from != "" && text == "" {
		return seed.Ticket{}, usagef(ticketHint, "no ticket on %s", from)
	}
	t, err := seed.ParseTicket(text)
	if err == nil {
		return t, nil
	}
	if _, statErr := os.Lstat(word); from == "" && statErr == nil {
		return t, usagef("if it holds a ticket, write @"+quoteName(word), "%s is a file, not a ticket", quoteName(word))
	}
	if strings.Contains(strings.ToLower(text), "p2pcp1") {
		return t, err // cut or damaged: what the table of exit codes says of that helps more
	}
	return t, usagef(ticketHint, "%w", err)
}

// readTicket reads the first line that isn't empty, and no further: whoever holds the other end may never close it.
func readTicket(r io.Reader) (string, error) {
	lines := bufio.NewReader(io.LimitReader(r, maxTicketInput+1))
	total := 0
	for {
		line, err := lines.ReadString('\n')
		if total += len(line); total > maxTicketInput {
			return "", usagef(ticketHint, "%w", errors.New("this is too long for a ticket"))
		}
		if line = strings.TrimSpace(line); line != "" || errors.Is(err, io.EOF) {
			return line, nil
		}
		if err != nil {
			return "", exitf(exitLocal, ticketHint, "read ticket: %w", err)
		}
	}
}
