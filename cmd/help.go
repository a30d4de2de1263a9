package cmd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is the width of every help text, in columns.
const helpWidth = 80

// newHelpCmd is 'p2pcp help [COMMAND]'. An unknown word is an error, unlike cobra's own.
func newHelpCmd() *cobra.Command {
	return &cobra.Command{
		Use:               "help [COMMAND]",
		Short:             "Help about a command, or about exit-codes",
		ValidArgsFunction: completeCommands,
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			target, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 || (target == root && len(args) > 0) {
				return unknownCommand(root, strings.Join(args, " "))
			}
			target.InitDefaultHelpFlag()
			target.InitDefaultVersionFlag()
			return target.Help()
		},
	}
}

func completeCommands(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	target, rest, err := c.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, sub := range target.Commands() {
		if !sub.Hidden && strings.HasPrefix(sub.Name(), prefix) {
			names = append(names, sub.Name()+"\t"+sub.Short)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// printHelp writes a command's help to stdout.
func (a *app) printHelp(c *cobra.Command, _ []string) {
	// A failed write is kept by the stream and told at the end.
	fmt.Fprint(a.stdout, helpText(c))
}

// helpText is a command's help, no line wider than helpWidth.
func helpText(c *cobra.Command) string {
	var b strings.Builder
	long := c.Long
	if long == "" {
		long = c.Short + "."
	}
	b.WriteString(strings.TrimRight(long, "\n") + "\n")
	if c.Runnable() {
		use := c.UseLine()
		if c.HasAvailableSubCommands() {
			use = c.CommandPath() + " COMMAND"
		}
		section(&b, "Usage", "  "+use)
	}
	section(&b, "Example", c.Example)
	writeCommands(&b, c)
	section(&b, "Flags", ownFlags(c))
	everywhere := c.Root().PersistentFlags().FlagUsagesWrapped(helpWidth)
	if c.Root() == c {
		section(&b, "Flags of every command", everywhere)
		b.WriteString("\n'p2pcp COMMAND --help' tells more; 'p2pcp help exit-codes' lists the exit codes.\n" +
			"Each long flag may come from the environment: --listen from P2PCP_LISTEN.\n")
	} else if c.Runnable() {
		section(&b, "Flags of every command", everywhere)
	}
	return b.String()
}

func section(b *strings.Builder, title, body string) {
	if body = strings.TrimRight(body, "\n"); body != "" {
		b.WriteString("\n" + title + ":\n" + body + "\n")
	}
}

// ownFlags lists a command's own flags in the order in which they were defined, but for --help, which is understood.
func ownFlags(c *cobra.Command) string {
	shown := pflag.NewFlagSet("", pflag.ContinueOnError)
	shown.SortFlags = false
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if c.PersistentFlags().Lookup(f.Name) == nil && (f.Name != "help" || c.Root() == c) {
			shown.AddFlag(f)
		}
	})
	return shown.FlagUsagesWrapped(helpWidth)
}

// writeCommands lists the commands of c by group, then the topics.
func writeCommands(b *strings.Builder, c *cobra.Command) {
	list := func(title string, want func(*cobra.Command) bool) {
		var body strings.Builder
		for _, sub := range firstFirst(c.Commands()) {
			if !sub.Hidden && want(sub) {
				fmt.Fprintf(&body, "  %-11s %s\n", sub.Name(), sub.Short)
			}
		}
		section(b, title, body.String())
	}
	for _, g := range c.Groups() {
		list(g.Title, func(sub *cobra.Command) bool { return sub.GroupID == g.ID })
	}
	list("Commands", func(sub *cobra.Command) bool { return c.Root() != c && sub.IsAvailableCommand() })
}

// firstFirst are commands with the three that matter before the others.
func firstFirst(all []*cobra.Command) []*cobra.Command {
	rank := func(c *cobra.Command) int {
		if i := slices.Index([]string{"get", "seed", "push"}, c.Name()); i >= 0 && c.GroupID == groupTransfer {
			return -i
		}
		return 1
	}
	return slices.SortedStableFunc(slices.Values(all), func(a, b *cobra.Command) int { return cmp.Compare(rank(a), rank(b)) })
}

// wrapText breaks a text at spaces into lines of at most width columns.
func wrapText(s string, width int) string {
	var b strings.Builder
	col := 0
	for _, word := range strings.Fields(s) {
		switch {
		case col == 0:
		case col+1+len(word) > width:
			b.WriteByte('\n')
			col = 0
		default:
			b.WriteByte(' ')
			col++
		}
		b.WriteString(word)
		col += len(word)
	}
	return b.String()
}
