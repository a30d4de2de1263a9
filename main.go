// Command p2pcp moves a file or a directory from one host to hundreds.
package main

import (
	"os"

	"p2pcp/cmd"
)

func main() { os.Exit(cmd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
