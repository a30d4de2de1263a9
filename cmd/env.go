package cmd

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// envName is the variable that stands for a long flag: listen-on is P2PCP_LISTEN_ON.
func envName(flag string) string {
	return "P2PCP_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// applyEnv sets every flag that wasn't given from its variable, if that is set and not empty. A list is separated by commas
// or spaces.
func applyEnv(c *cobra.Command, lookup func(string) (string, bool)) error {
	var first error
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if first != nil || f.Changed || f.Name == "help" || f.Name == "version" || f.Name == "ticket" {
			return // P2PCP_TICKET is a ticket, as seed --run gives it
		}
		name := envName(f.Name)
		value, ok := lookup(name)
		if !ok || value == "" {
			return
		}
		values := []string{value}
		if _, list := f.Value.(pflag.SliceValue); list {
			values = strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
		}
		for _, v := range values {
			if err := f.Value.Set(v); err != nil {
				first = usagef("it stands for --"+f.Name+" of 'p2pcp "+c.Name()+"'",
					"environment variable %s: invalid value %q: %w", name, value, plainCause(err))
				return
			}
		}
		f.Changed = true
	})
	return first
}
