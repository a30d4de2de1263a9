package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// wantArgs accepts between least and most positional arguments (most < 0: any number). what names the missing one.
func wantArgs(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef(useHint(c), "%s needs %s", c.Name(), what)
		case most >= 0 && len(args) > most:
			return usagef(useHint(c), "%s: unexpected argument %s", c.Name(), quoteArg(args[most]))
		}
		return nil
	}
}

// useHint is the one-line form of a command.
func useHint(c *cobra.Command) string {
	return fmt.Sprintf("usage: %s; '%s --help' tells more", c.UseLine(), c.CommandPath())
}

// unknownCommand is the error for a word that is no command of c; there is no abbreviation and no catch-all.
func unknownCommand(c *cobra.Command, word string) error {
	hint := fmt.Sprintf("'%s --help' lists the commands", c.CommandPath())
	if near := c.SuggestionsFor(word); len(near) > 0 {
		seen := map[string]bool{}
		var names []string
		for _, n := range near {
			if !seen[n] {
				seen[n] = true
				names = append(names, "'"+c.CommandPath()+" "+n+"'")
			}
		}
		hint = "did you mean " + strings.Join(names, " or ") + "?"
	}
	if strings.HasPrefix(strings.ToLower(word), "p2pcp1") {
		// A ticket is a secret: it isn't repeated where logs may keep it.
		return usagef("a command comes first, such as 'p2pcp get TICKET' or 'p2pcp ticket show TICKET'", "a ticket is no command")
	}
	return usagef(hint, "unknown command %q", word)
}

// flagError turns a flag that can't be parsed into a usage error. A wrong flag behind a wrong command is the command's fault.
func flagError(a *app, c *cobra.Command, err error) error {
	if c.HasAvailableSubCommands() {
		if word := firstWord(a.args, c); word != "" {
			return unknownCommand(c, word)
		}
	}
	return usagef(fmt.Sprintf("'%s --help' lists the flags", c.CommandPath()), "%w", err)
}

// firstWord is the first argument behind c's own name that isn't a flag.
func firstWord(args []string, c *cobra.Command) string {
	for _, arg := range args {
		if !strings.HasPrefix(arg, "-") && arg != c.Name() {
			return arg
		}
	}
	return ""
}
