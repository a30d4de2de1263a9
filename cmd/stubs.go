package cmd

import (
	"errors"

	"github.com/spf13/cobra"
)

var errStub = errors.New("stub")

func newStatusCmd(a *app) *cobra.Command {
	return stubCmd("status TICKET|-|@FILE", "Show who is how far")
}
func newLsCmd(a *app) *cobra.Command { return stubCmd("ls TICKET|-|@FILE", "List what a ticket names") }

func newVerifyCmd(a *app) *cobra.Command {
	return stubCmd("verify TICKET|-|@FILE PATH", "Compare what is on the disk with a ticket")
}

func newPingCmd(a *app) *cobra.Command {
	return stubCmd("ping TICKET|-|@FILE", "Try each address of a ticket, TCP and UDP")
}

func stubCmd(use, short string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, RunE: func(*cobra.Command, []string) error { return errStub }}
}
