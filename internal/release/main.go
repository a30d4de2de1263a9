// Command release writes what goes with a p2pcp that is handed on, from what the program is linked with:
//
//	release third-party >packaging/THIRD_PARTY   the licences of all modules
//	release copyright >packaging/copyright       the same, in the form that Debian asks for
//	release sbom BINARY >FILE                    what a binary is linked with, as CycloneDX 1.5
//
// The same modules give the same bytes: a test compares the first two with the files that are committed.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, args []string) error {
	modules, err := linked(".")
	if err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "third-party":
		return thirdParty(w, modules)
	case len(args) == 1 && args[0] == "copyright":
		return debianCopyright(w, modules)
	case len(args) == 2 && args[0] == "sbom":
		return sbom(w, args[1], modules)
	}
	return fmt.Errorf("wrong usage: third-party, copyright or sbom BINARY")
}
