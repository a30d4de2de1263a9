package cmd

import (
	"fmt"
	"strings"

	"p2pcp/seed"

	"github.com/spf13/cobra"
)

func newTicketCmd(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "ticket COMMAND",
		Short: "Look into a ticket, or take its key out",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("'p2pcp ticket show TICKET' or 'p2pcp ticket public TICKET'", "ticket needs a command")
			}
			return unknownCommand(c, args[0])
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(newTicketShowCmd(a), newTicketPublicCmd(a))
	return c
}

func newTicketShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show TICKET|-|@FILE",
		Short:   "Print what a ticket says; its key stays hidden",
		Example: "  p2pcp ticket show @ticket\n  echo $T | p2pcp ticket show -",
		Args:    wantArgs(1, 1, "a TICKET"),
		RunE: func(_ *cobra.Command, args []string) error {
			t, err := a.ticket(args[0])
			if err != nil {
				return err
			}
			m := showTicket(t)
			return a.result(m.text(), m)
		},
	}
}

func newTicketPublicCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "public TICKET|-|@FILE",
		Short: "Print the ticket without its key",
		Long: "public prints the ticket without its key. Whoever has only that can check what\n" +
			"swarm it names, and can join it with the --key-file that the seed uses.",
		Example: "  p2pcp ticket public @ticket",
		Args:    wantArgs(1, 1, "a TICKET"),
		RunE: func(_ *cobra.Command, args []string) error {
			t, err := a.ticket(args[0])
			if err != nil {
				return err
			}
			public := t.Public().String()
			return a.result(public, ticketPublicMessage{"result", public})
		},
	}
}

// ticketPublicMessage is a ticket in JSON.
type ticketPublicMessage struct {
	Type   string `json:"message_type"` // result
	Ticket string `json:"ticket"`
}

// ticketShowMessage is what a ticket says, without its secret.
type ticketShowMessage struct {
	Type      string   `json:"message_type"` // result
	ID        string   `json:"id"`
	Key       bool     `json:"key"` // in the ticket; false: a key file is needed
	Encrypted bool     `json:"encrypted"`
	Addrs     []string `json:"addresses"`
}

func showTicket(t seed.Ticket) ticketShowMessage {
	m := ticketShowMessage{Type: "result", ID: t.ID.String(), Key: t.Key != nil, Encrypted: t.Encrypted, Addrs: []string{}}
	for _, addr := range t.Addrs {
		m.Addrs = append(m.Addrs, addr.String())
	}
	return m
}

func (m ticketShowMessage) text() string {
	key, data := "none, needs --key-file", "plain, verified"
	if m.Key {
		key = "********"
	}
	if m.Encrypted {
		data = "encrypted"
	}
	addrs := "none, needs --join"
	if len(m.Addrs) > 0 {
		addrs = strings.Join(m.Addrs, " ")
	}
	return fmt.Sprintf("id         %s\nkey        %s\ndata       %s\naddresses  %s", m.ID, key, data, addrs)
}
