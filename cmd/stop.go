package cmd

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// stopPatience is how long a process may take to leave: it finishes the block it is sending and says good-bye, 2 s each at most.
const stopPatience = 5 * time.Second

// stopPoll is the time between two looks at the registry.
const stopPoll = 50 * time.Millisecond

func newStopCmd(a *app) *cobra.Command {
	var all, dry bool
	c := &cobra.Command{
		Use:   "stop [ID|--all]",
		Short: "End this user's background processes (started with -d)",
		Long: "stop ends processes that 'seed -d' and 'get -d' left in the background: all of\n" +
			"one swarm by its ID or the first digits of it, or all there are. Without an\n" +
			"argument it ends the only one there is, or lists them (exit 2).\n" +
			"With nothing to end, --all is content and the others exit 1.",
		Example: "  p2pcp stop 1f3a09c2\n  p2pcp stop --all",
		Args:    wantArgs(0, 1, ""),
		ValidArgsFunction: func(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			var ids []string
			entries, err := a.listDetached()
			for _, e := range entries {
				if err == nil && len(args) == 0 && strings.HasPrefix(e.ID, prefix) {
					ids = append(ids, e.ID[:min(8, len(e.ID))]+"\t"+e.What+" "+quoteName(e.Target))
				}
			}
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return usagef("", "an ID and --all exclude each other")
			}
			return a.stopDetached(strings.Join(args, ""), all, dry)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "end all of them")
	c.Flags().BoolVarP(&dry, "dry-run", "n", false, "only list them")
	return c
}

// stopDetached ends what id (a prefix of an ID, or ID8-PID) or all name; dry only lists it.
func (a *app) stopDetached(id string, all, dry bool) error {
	entries, err := a.listDetached()
	if err != nil {
		return err
	}
	var chosen []registryEntry
	for _, e := range entries {
		if all || id == "" || strings.HasPrefix(e.ID, strings.ToLower(id)) || e.name() == id {
			chosen = append(chosen, e)
		}
	}
	switch {
	case len(chosen) == 0 && (all || dry && id == ""):
		a.note("nothing runs in the background")
		return nil
	case len(entries) == 0:
		return exitf(exitFailure, "", "nothing runs in the background")
	case len(chosen) == 0:
		return exitf(exitFailure, "'p2pcp stop -n' lists them", "nothing in the background has the ID %s", quoteArg(id))
	case dry:
		return a.listRunning(chosen)
	case len(chosen) > 1 && id == "" && !all:
		if err := a.listRunning(chosen); err != nil {
			return err
		}
		return usagef("give an ID, or --all", "%d processes run in the background", len(chosen))
	}
	return a.endProcesses(chosen)
}

// listRunning prints what runs.
func (a *app) listRunning(all []registryEntry) error {
	for _, e := range all {
		if err := a.result(stopLine("running", e), stopMessage{"result", "running", e}); err != nil {
			return err
		}
	}
	return nil
}

// endProcesses asks each to leave and waits.
func (a *app) endProcesses(chosen []registryEntry) error {
	for _, e := range chosen {
		if err := syscall.Kill(e.PID, syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop process %d: %w", e.PID, err)
		}
	}
	deadline := time.NewTimer(stopPatience)
	defer deadline.Stop()
	poll := time.NewTicker(stopPoll)
	defer poll.Stop()
	left := chosen
	for {
		entries, err := a.listDetached()
		if err != nil {
			return err
		}
		var still []registryEntry
		for _, e := range left {
			if hasEntry(entries, e) {
				still = append(still, e)
				continue
			}
			if err := a.result(stopLine("stopped", e), stopMessage{"result", "stopped", e}); err != nil {
				return err
			}
		}
		if left = still; len(left) == 0 {
			return nil
		}
		select {
		case <-poll.C:
		case <-a.ctx.Done():
			return a.ctx.Err()
		case <-deadline.C:
			return exitf(exitTimeout, fmt.Sprintf("kill -9 %d ends it at once; what arrived is kept", left[0].PID),
				"%s still runs after %s", stopLine("", left[0]), shortDuration(stopPatience))
		}
	}
}

func hasEntry(entries []registryEntry, e registryEntry) bool {
	for _, other := range entries {
		if other.PID == e.PID && other.ID == e.ID {
			return true
		}
	}
	return false
}

// stopLine is one process in words.
func stopLine(state string, e registryEntry) string {
	return strings.TrimLeft(fmt.Sprintf("%s %s %s pid %d %s", state, e.What, e.ID[:min(8, len(e.ID))], e.PID, quoteName(e.Target)), " ")
}

// stopMessage is one process in JSON.
type stopMessage struct {
	Type  string `json:"message_type"` // result
	State string `json:"state"`        // stopped, running
	registryEntry
}
