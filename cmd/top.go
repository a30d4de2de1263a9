package cmd

import (
	"github.com/spf13/cobra"
)

func newTopCmd(a *app) *cobra.Command {
	f := statusFlags{watch: true}
	c := &cobra.Command{
		Use:   "top TICKET|-|@FILE",
		Short: "Watch a swarm live, the slowest hosts first",
		Long: "top is 'status --watch': every host, redrawn each second on a terminal, failed\n" +
			"and lost hosts first, then those that stand still, then the slowest; complete\n" +
			"ones are folded. A host is stalled when nothing has come for 10 s, silent when\n" +
			"it doesn't answer, and lost when the seed has given it up.",
		Example: "  p2pcp top $T",
		Args:    wantArgs(1, 1, "a TICKET"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.status(args[0], &f) },
	}
	f.register(c)
	return c
}
