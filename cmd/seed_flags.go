package cmd

import (
	"math/bits"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"p2pcp/blocks"
)

// seedFlags are those of 'p2pcp seed'.
type seedFlags struct {
	name       string        // of what is sent; after check never empty
	listen     string        // HOST:PORT, :PORT, HOST or empty
	advertise  []string      // HOST:PORT
	detach     bool          // go on in the background once the ticket is valid
	expect     int           // hosts that must complete; 0: not said
	nat        bool          // hosts may share an address
	forTime    time.Duration // 0: no end
	untilIdle  time.Duration // 0: no end
	ticketFile string
	keyFile    string
	encrypt    bool
	exclude    []string // globs, valid
	limit      rates    // bytes per second; only Up counts
	blockSize  uint32   // 0: as seed chooses
	zone       string
	run        string // command of a launcher; empty: none
	report     string // file for the account at the end; empty: none
}

// register defines the flags.
func (f *seedFlags) register(c *cobra.Command) {
	fs := c.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.name, "name", "", "call it `NAME` (default: the path's last part)")
	fs.BoolVarP(&f.detach, "detach", "d", false, "return once the ticket is valid; see 'stop'")
	fs.StringVar(&f.run, "run", "", "run `CMD` with the ticket for {}, end with it")
	fs.IntVar(&f.expect, "expect", 0, "end with 0 once `N` hosts have it")
	fs.BoolVar(&f.nat, "nat", false, "count hosts by name for --expect, not by address")
	fs.Var(newDurationValue(&f.forTime), "for", "end after this time")
	fs.Var(newDurationValue(&f.untilIdle), "until-idle", "end after this time without a request")
	fs.StringVar(&f.report, "report", "", "at the end write a page of it all to `FILE`; see 'report'")
	fs.StringVar(&f.ticketFile, "ticket-file", "", "keep ticket, key and port in `FILE` (0600)")
	fs.StringVar(&f.keyFile, "key-file", "", "take the key from `FILE`, not from the ticket")
	fs.BoolVar(&f.encrypt, "encrypt", false, "send the content by TLS; the ticket says so")
	fs.StringArrayVar(&f.exclude, "exclude", nil, "leave out what matches `GLOB`; repeatable")
	fs.Var(ratesValue{&f.limit, true}, "limit", "send no faster (bytes/s: 100M, 1G; or 800Mbit)")
	fs.StringVar(&f.listen, "listen", "", "listen on `HOST:PORT` (default: all, 7700-7799)")
	fs.StringArrayVar(&f.advertise, "advertise", nil, "tell receivers this `HOST:PORT`; repeatable")
	fs.Uint32Var(&f.blockSize, "block-size", 0, "bytes of a block, a power of two (for measurements)")
	_ = fs.MarkHidden("block-size") // it is there
	fs.StringVar(&f.zone, "zone", "", zoneHelp)
	markFile(c, "report")
	markFile(c, "ticket-file")
	markFile(c, "key-file")
}

// check completes and validates flags and arguments; it changes no file and touches no network.
func (f *seedFlags) check(c *cobra.Command, args []string) error {
	if err := wantArgs(1, -1, "a PATH")(c, args); err != nil {
		return err
	}
	for i, p := range args {
		same := func(other string) bool { return filepath.Clean(other) == filepath.Clean(p) }
		switch {
		case p == "":
			return usagef(useHint(c), "an argument is empty")
		case p == "-":
			return usagef("write the stream to a file first", "seed can't read a stream from stdin")
		case slices.ContainsFunc(args[:i], same):
			return usagef("name it once", "%s is given twice", quoteArg(p))
		}
	}
	if err := f.checkName(c, args); err != nil {
		return err
	}
	for _, glob := range f.exclude {
		if _, err := path.Match(glob, ""); err != nil {
			return usagef("*, ? and [a-z] are special; \\ takes that away", "--exclude %s: %w", quoteArg(glob), err)
		}
	}
	if err := checkZone(c, f.zone); err != nil {
		return err
	}
	if f.expect < 0 || (c.Flags().Changed("expect") && f.expect == 0) {
		return usagef("", "--expect is at least 1")
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"for", f.forTime}, {"until-idle", f.untilIdle}} {
		if c.Flags().Changed(d.flag) && d.value <= 0 {
			return usagef("", "--%s is longer than 0", d.flag)
		}
	}
	if n := f.blockSize; n != 0 && (n < blocks.MinBlockSize || n > blocks.MaxBlockSize || bits.OnesCount32(n) != 1) {
		return usagef("", "--block-size is a power of two from %d to %d", blocks.MinBlockSize, blocks.MaxBlockSize)
	}
	if err := checkLater("--report", f.report); err != nil {
		return err
	}
	return checkAddresses(f.listen, f.advertise, nil)
}

// checkRun checks what --run goes with.
func (f *seedFlags) checkRun(c *cobra.Command) error {
	switch {
	case !c.Flags().Changed("run"):
		return nil
	case strings.TrimSpace(f.run) == "":
		return usagef("", "--run is empty")
	case f.detach:
		return usagef("", "--run and --detach exclude each other")
	case c.Flags().Lookup("json").Changed:
		return usagef("'p2pcp status --json' tells of the swarm meanwhile", "--run and --json exclude each other: stdout is the command's")
	}
	return nil
}

// checkName finds the name where none was given: the path's last part, as seen from the root where the path is "." or "..".
func (f *seedFlags) checkName(c *cobra.Command, args []string) error {
	given := c.Flags().Changed("name")
	switch {
	case given:
	case len(args) > 1:
		f.name = "files"
	default:
		abs, err := filepath.Abs(args[0])
		if err != nil {
			return exitf(exitLocal, "", "find the path of %s: %w", quoteArg(args[0]), err)
		}
		f.name = filepath.Base(abs)
	}
	if f.name == "/" {
		return usagef("", "seeding / needs a --name")
	}
	if f.name == "" || len(f.name) > 255 || f.name == "." || f.name == ".." ||
		strings.ContainsAny(f.name, "/\\\x00") || !utf8.ValidString(f.name) {
		return usagef("1 to 255 bytes of UTF-8 without / and \\, not . or ..; give another with --name",
			"%s can't be a name", quoteArg(f.name))
	}
	return nil
}

// zoneHelp is what --zone is for.
const zoneHelp = "this host's rack or site: each block crosses into a `LABEL` once"

// checkZone checks a given label: an empty one is a variable that isn't set.
func checkZone(c *cobra.Command, label string) error {
	if c.Flags().Changed("zone") && label == "" {
		return usagef("", "--zone is empty")
	}
	return nil
}

// checkAddresses checks what seed and get have in common.
func checkAddresses(listen string, advertise, join []string) error {
	if err := checkListen(listen); err != nil {
		return usagef("", "--listen %s: %w", quoteArg(listen), err)
	}
	for _, addr := range advertise {
		if err := checkReach(addr); err != nil {
			return usagef("", "--advertise %s: %w", quoteArg(addr), err)
		}
	}
	for _, addr := range join {
		if err := checkReach(addr); err != nil {
			return usagef("", "--join %s: %w", quoteArg(addr), err)
		}
	}
	return nil
}
