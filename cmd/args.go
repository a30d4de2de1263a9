package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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

// checkLater is the error for a file that is to be written at the end, hours later perhaps, in a directory that isn't there.
func checkLater(flag, file string) error {
	dir := filepath.Dir(file)
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return exitf(exitLocal, "name another place with "+flag, "there is no directory %s", quoteName(dir))
	}
	return nil
}

// shellWord is s as one word of a shell's command line.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@+=,%", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// useHint is the one-line form of a command.
func useHint(c *cobra.Command) string {
	return fmt.Sprintf("usage: %s; '%s --help' tells more", c.UseLine(), c.CommandPath())
}

// unknownCommand is the error for a word that is no command of c; there is no abbreviation and no catch-all.
func unknownCommand(c *cobra.Command, word string) error {
	hint := fmt.Sprintf("'%s --help' lists the commands", c.CommandPath())
	near := c.SuggestionsFor(word)
	if d, _ := edits(word, "help"); !c.HasParent() && d <= c.SuggestionsMinimumDistance { // which cobra doesn't count among the commands
		near = append(near, "help")
	}
	_, statErr := os.Lstat(word)
	switch {
	case len(near) > 0:
		seen := map[string]bool{}
		var names []string
		for _, n := range near {
			if !seen[n] {
				seen[n] = true
				names = append(names, "'"+c.CommandPath()+" "+n+"'")
			}
		}
		hint = "did you mean " + strings.Join(names, " or ") + "?"
	case statErr == nil && !c.HasParent():
		p := shellWord(word)
		hint = fmt.Sprintf("to offer it: p2pcp seed %s; to send it by ssh: p2pcp push %s HOST... -o DIR/", p, p)
	}
	if strings.Contains(strings.ToLower(word), "p2pcp1") || strings.HasPrefix(word, "@") || word == "-" {
		hint = "a command comes first, such as 'p2pcp get TICKET' or 'p2pcp ticket show TICKET'"
		if c.HasParent() {
			hint = "'p2pcp ticket show TICKET' prints what it says"
		}
		// A ticket is a secret: it isn't repeated where logs may keep it.
		return usagef(hint, "a ticket is no command")
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
	hint := fmt.Sprintf("'%s --help' lists the flags", c.CommandPath())
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		word := unknown.GetSpecifiedName()
		if group := unknown.GetSpecifiedShortnames(); group != "" {
			word = group // of -force, say
		}
		if name := nearFlag(c.Flags(), word); name != "" {
			hint = "did you mean --" + name + "?"
		} else if others := withFlag(c, word); len(others) > 0 {
			hint = "that is a flag of " + strings.Join(others, ", ")
		}
	case errors.As(err, &invalid):
		err = fmt.Errorf("--%s %s: %w", invalid.GetFlag().Name, quoteValue(invalid.GetValue()), plainCause(invalid.Unwrap()))
	}
	return usagef(hint, "%w", err)
}

// plainCause is what is wrong with a flag's value, without strconv's words around it.
func plainCause(err error) error {
	var number *strconv.NumError
	switch {
	case !errors.As(err, &number):
		return err
	case number.Func == "ParseBool":
		return errors.New("neither true nor false")
	case errors.Is(err, strconv.ErrRange):
		return errors.New("out of range")
	}
	return errors.New("not a number")
}

// otherFlags are names by which other tools know our flags.
var otherFlags = map[string]string{
	"V": "version", "bwlimit": "limit", "dest": "to", "destination": "to", "dir": "to", "nodes": "hosts", "out": "to", "output": "to",
	"overwrite": "force", "port": "listen", "rate": "limit", "target": "to",
}

// nearFlag is the flag that word was probably meant to be: another tool's name of it, or two edits away at most, or one from the
// beginning of its name. Empty if there is none.
func nearFlag(flags *pflag.FlagSet, word string) string {
	if name := otherFlags[word]; flags.Lookup(name) != nil {
		return name
	}
	name, best := "", min(3, len(word))
	flags.VisitAll(func(f *pflag.Flag) {
		whole, start := edits(word, f.Name)
		if d := min(whole, start+1); d < best {
			name, best = f.Name, d
		}
	})
	return name
}

// withFlag lists the other commands that have a flag of this name or letter.
func withFlag(c *cobra.Command, word string) (names []string) {
	for _, other := range c.Root().Commands() {
		flags := other.Flags()
		if flags.Lookup(word) != nil || len(word) == 1 && flags.ShorthandLookup(word) != nil {
			names = append(names, other.CommandPath())
		}
	}
	return names
}

// edits counts the bytes to be put in, taken out or replaced to make of word name (Levenshtein's distance), or any beginning of it.
func edits(word, name string) (whole, start int) {
	row := make([]int, len(name)+1) // to the first i bytes of name
	for i := range row {
		row[i] = i
	}
	for n := range len(word) {
		last := row[0]
		row[0] = n + 1
		for i := range len(name) {
			replaced := last
			if word[n] != name[i] {
				replaced++
			}
			last = row[i+1]
			row[i+1] = min(replaced, last+1, row[i]+1)
		}
	}
	return row[len(name)], slices.Min(row)
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
