package cmd

import (
	"errors"
	"io/fs"

	"p2pcp/seed"

	"github.com/spf13/cobra"
)

func newKeygenCmd(a *app) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "keygen -o FILE",
		Short: "Make a key file for tickets that are no secret",
		Long: "keygen writes a new key to FILE (mode 0600). Give the file to every host and\n" +
			"--key-file to 'seed' and 'get': then a ticket without the file is worth nothing,\n" +
			"and may stand in scripts and logs. An existing file is not overwritten.",
		Example: "  p2pcp keygen -o cluster.key",
		Args:    wantArgs(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			if out == "" {
				return usagef(useHint(c), "keygen needs -o FILE")
			}
			err := seed.NewKeyFile(out)
			if errors.Is(err, fs.ErrExist) {
				return exitf(exitExists, "remove it first if nobody needs it any more", "%s exists", quoteName(out))
			}
			if err != nil {
				return exitf(exitLocal, elsewhere, "%w", err)
			}
			a.note("wrote a new key to %s", quoteName(out))
			return nil
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "write the key to this `FILE`")
	markFile(c, "out")
	return c
}
