// Package cmd holds the commands, the wiring, the progress display, the tables and the exit codes. Nothing else prints or
// exits.
//
// One run of a command line is an app: it owns the three streams, the signals, the screen and the flags that every command
// shares. Rules of output:
//
//   - stdout carries results only: what a script reads. Everything said to a person goes to stderr.
//   - every line on stderr begins with "p2pcp: "; an error is at most two lines, what went wrong and a hint.
//   - a live display (a bar, a table) exists only on a terminal that can move its cursor; elsewhere there is one line at the
//     start, one a minute and one at the end.
//   - names that came from others are quoted when they hold anything but printable characters.
//   - stdin is read only where the user wrote "-".
//
// Goroutines: one that waits for signals and one that sets the number of threads while an app lives, and one for each display
// while it is shown. All end, and are waited for, before Main returns.
package cmd

import (
	"context"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"
)

// Main runs one command line and returns its exit code (the table is in exit.go).
func Main(args []string, stdin, stdout, stderr *os.File) int {
	calm()
	noDumps() // after calm, which writes to files that are only root's then
	a := newApp(args, stdin, stdout, stderr)
	defer a.close()
	ctx, stop := context.WithCancel(context.Background())
	var governing sync.WaitGroup
	governing.Go(func() { govern(ctx, cpuTime, a.full) })
	defer governing.Wait()
	defer stop()
	root := newRoot(a)
	// An empty slice, unlike nil, doesn't make cobra read os.Args.
	root.SetArgs(append([]string{}, args...))
	c, err := root.ExecuteContextC(a.ctx)
	return a.end(withHelp(c, err))
}

// Groups of commands in the help.
const (
	groupTransfer = "transfer"
	groupSwarm    = "swarm"
	groupTools    = "tools"
)

func newRoot(a *app) *cobra.Command {
	told := false // the version
	root := &cobra.Command{
		Use:   "p2pcp",
		Short: "Move a file or a directory from one host to hundreds, at the speed of one copy",
		Long: "p2pcp moves a file or a directory from one host to hundreds. Every host that\n" +
			"receives also sends, so that hundreds take about as long as one.",
		Example: "  With ssh, from here to all of them:\n" +
			"    p2pcp push model/ 'node[001-500]' -o /scratch/\n" +
			"  Without: once where it is, which prints a ticket, then on each host:\n" +
			"    p2pcp seed -d model/\n" +
			"    p2pcp get TICKET -o /scratch/",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			if told {
				v := buildVersion()
				return a.result(v.String(), v)
			}
			return c.Help()
		},
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return a.prepare(c) },
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	// Not cobra's own: it makes of text/template, and so of the linker, something that must keep every method: a sixth of the program.
	root.Flags().BoolVar(&told, "version", false, "version for p2pcp")
	root.SetHelpFunc(a.printHelp)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagError(a, c, err) })
	root.SetHelpCommand(newHelpCmd())
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.DisableDefaultCmd = true
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.AddGroup(
		&cobra.Group{ID: groupTransfer, Title: "Transfer"},
		&cobra.Group{ID: groupSwarm, Title: "Swarm"},
		&cobra.Group{ID: groupTools, Title: "Keys and tools"},
	)
	a.registerGlobal(root)
	addCommands(root, a)
	return root
}

func addCommands(root *cobra.Command, a *app) {
	add := func(group string, also []string, c *cobra.Command) {
		c.GroupID = group
		c.SuggestFor = also
		for _, t := range append(c.Commands(), c) {
			if strings.Contains(t.Use, "TICKET") {
				t.ValidArgsFunction = orTicketFile(t.ValidArgsFunction)
			}
		}
		root.AddCommand(c)
	}
	add(groupTransfer, []string{"copy", "deploy", "distribute"}, newPushCmd(a))
	add(groupTransfer, []string{"send", "share", "serve", "upload"}, newSeedCmd(a))
	add(groupTransfer, []string{"receive", "recv", "fetch", "download"}, newGetCmd(a))
	add(groupTransfer, []string{"await", "verdict"}, newWaitCmd(a))
	add(groupSwarm, nil, newStatusCmd(a))
	add(groupSwarm, []string{"watch", "monitor"}, newTopCmd(a))
	add(groupSwarm, []string{"html"}, newReportCmd(a))
	add(groupSwarm, []string{"list"}, newLsCmd(a))
	add(groupSwarm, []string{"check"}, newVerifyCmd(a))
	add(groupSwarm, []string{"test", "probe"}, newPingCmd(a))
	add(groupSwarm, []string{"kill"}, newStopCmd(a))
	add(groupTools, []string{"sum", "b3sum"}, newHashCmd(a))
	add(groupTools, nil, newTicketCmd(a))
	add(groupTools, []string{"key"}, newKeygenCmd(a))
	add(groupTools, []string{"completions"}, newCompletionCmd(a))
	add(groupTools, nil, newVersionCmd(a))
	root.AddCommand(newExitCodesTopic())
}
