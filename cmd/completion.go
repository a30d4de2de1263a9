package cmd

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// shells that completion scripts are made for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletionCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a shell's completion script",
		Example: "  p2pcp completion bash > ~/.local/share/bash-completion/completions/p2pcp\n" +
			"  p2pcp completion zsh > \"${fpath[1]}/_p2pcp\"\n" +
			"  p2pcp completion fish > ~/.config/fish/completions/p2pcp.fish",
		ValidArgs: shells,
		Args: func(c *cobra.Command, args []string) error {
			if err := wantArgs(1, 1, "the name of a shell")(c, args); err != nil {
				return err
			}
			if !slices.Contains(shells, args[0]) {
				return usagef("one of "+strings.Join(shells, ", "), "no completion for %s", quoteArg(args[0]))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return writeCompletion(a.stdout, c.Root(), args[0])
		},
	}
}

// offerValues completes a flag's value with these.
func offerValues(c *cobra.Command, name string, values ...string) {
	if err := c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("cmd: " + err.Error())
	}
}

// completion completes arguments, as cobra asks for it.
type completion = func(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective)

// orTicketFile completes @FILE, and leaves everything else to next, if there is one.
func orTicketFile(next completion) completion {
	return func(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		name, ok := strings.CutPrefix(prefix, "@")
		switch {
		case ok && len(args) == 0:
			return filesAt(name), cobra.ShellCompDirectiveNoSpace
		case next != nil:
			return next(c, args, prefix)
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// filesAt are the files and directories whose names begin so, behind an @ each.
func filesAt(name string) []string {
	dir, base := filepath.Split(name)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil // nothing to offer
	}
	var found []string
	for _, e := range entries {
		hidden := strings.HasPrefix(e.Name(), ".") && base == ""
		if !strings.HasPrefix(e.Name(), base) || hidden {
			continue
		}
		slash := ""
		if e.IsDir() {
			slash = "/"
		}
		found = append(found, "@"+dir+e.Name()+slash)
	}
	return found
}

// writeCompletion writes the script of one shell. The scripts ask p2pcp itself, so they hold for every version.
func writeCompletion(w io.Writer, root *cobra.Command, shell string) error {
	var err error
	switch shell {
	case "bash":
		err = root.GenBashCompletionV2(w, true)
	case "zsh":
		err = root.GenZshCompletion(w)
	case "fish":
		err = root.GenFishCompletion(w, true)
	case "powershell":
		err = root.GenPowerShellCompletionWithDesc(w)
	default:
		panic("cmd: no completion for " + shell)
	}
	if err != nil {
		return fmt.Errorf("write completion: %w", err)
	}
	return nil
}

// markFile completes a flag's value with file names.
func markFile(c *cobra.Command, name string) {
	// MarkFlagFilename would leave it at the default, which newRoot makes to be no files.
	files := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault
	}
	if err := c.RegisterFlagCompletionFunc(name, files); err != nil {
		panic("cmd: " + err.Error())
	}
}
