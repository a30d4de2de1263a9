package cmd

import (
	"errors"
	"strings"
	"time"

	"p2pcp/swarm"

	"github.com/spf13/cobra"
)

// getFlags are those of 'p2pcp get'.
type getFlags struct {
	to        string // PATH, or DIR/ for a place inside; after check never empty
	force     bool   // replace what differs
	delete    bool   // with a directory: remove what the content lacks
	checksum  bool   // hash what is there, whatever its size and time
	dryRun    bool
	join      []string      // HOST:PORT
	wait      time.Duration // for the first peer
	timeout   time.Duration // for all of it; 0: none
	stall     time.Duration // without progress; 0: none
	linger    swarm.Linger  // after check LingerBackground where that is meant
	detach    bool          // linger in the background
	noWait    bool          // return as soon as the transfer has begun; implies detach
	limit     rates         // bytes per second
	fsync     bool
	listen    string   // HOST:PORT, :PORT, HOST or empty
	advertise []string // HOST:PORT
	keyFile   string
	zone      string
	pushed    bool // orders come on stdin, and its end is ours
}

// register defines the flags.
func (f *getFlags) register(c *cobra.Command) {
	fs := c.Flags()
	fs.SortFlags = false
	f.wait, f.stall = time.Minute, 2*time.Minute
	fs.StringVarP(&f.to, "to", "o", "", "put it at `PATH`, or with a / at its end inside it (default \"./\")")
	fs.BoolVarP(&f.force, "force", "f", false, "replace what is there and differs")
	fs.BoolVar(&f.delete, "delete", false, "remove files of the directory that aren't sent")
	fs.BoolVar(&f.checksum, "checksum", false, "hash what is there, don't trust size and time")
	fs.BoolVarP(&f.dryRun, "dry-run", "n", false, "only say what would be done")
	fs.StringArrayVar(&f.join, "join", nil, "try this member (`HOST:PORT`) too; repeatable")
	fs.Var(newDurationValue(&f.wait), "wait", "for the first peer")
	fs.Var(newDurationValue(&f.timeout), "timeout", "give up after this time (exit 5)")
	fs.Var(newDurationValue(&f.stall), "stall-timeout", "give up after this time without progress")
	fs.Var(lingerValue{&f.linger}, "linger", "serve others after the end; DUR: until idle that long")
	fs.BoolVarP(&f.detach, "detach", "d", false, "return at completion, linger in the background")
	fs.BoolVar(&f.noWait, "no-wait", false, "return once the transfer has begun; see 'wait'")
	fs.Var(ratesValue{&f.limit, false}, "limit", "no faster (bytes/s: 100M, 10M:1G; or 800Mbit)")
	fs.BoolVar(&f.fsync, "fsync", false, "flush to the disk before the content gets its name")
	fs.StringVar(&f.listen, "listen", "", "listen on `HOST:PORT` (default: all, 7799-7700)")
	fs.StringArrayVar(&f.advertise, "advertise", nil, "tell others this `HOST:PORT`; repeatable")
	fs.StringVar(&f.zone, "zone", "", zoneHelp)
	fs.StringVar(&f.keyFile, "key-file", "", "take the key from `FILE`, not from the ticket")
	markFile(c, "key-file")
	fs.BoolVar(&f.pushed, "pushed", false, "what push runs on a host")
	_ = fs.MarkHidden("pushed") // it is there
	markFile(c, "to")
	offerValues(c, "linger", "auto\tas the swarm needs it", "0\tnot at all", "10s\tuntil idle that long")
}

// check completes and validates flags and arguments; it touches no file and no network. Errors are usage errors.
func (f *getFlags) check(c *cobra.Command, args []string) error {
	if len(args) == 2 {
		return secondArg(c, args)
	}
	if err := wantArgs(1, 1, "a TICKET")(c, args); err != nil {
		return err
	}
	switch {
	case c.Flags().Changed("to") && f.to == "":
		return usagef("", "--to is empty")
	case f.to == "":
		f.to = "./"
	case f.to == "-":
		return usagef("write to a file; ./- is a file of that name", "get can't write to stdout")
	}
	switch {
	case f.dryRun && f.noWait:
		return usagef("", "--dry-run and --no-wait exclude each other")
	case f.noWait && f.linger.Mode == swarm.LingerNone:
		return usagef("", "--no-wait and --linger 0 exclude each other")
	}
	f.detach = f.detach || f.noWait
	switch {
	case f.dryRun && f.detach:
		return usagef("", "--dry-run and --detach exclude each other")
	case f.detach && f.linger.Mode == swarm.LingerNone:
		return usagef("without lingering there is nothing to do in the background", "--detach and --linger 0 exclude each other")
	case f.wait <= 0:
		return usagef("", "--wait is longer than 0")
	}
	if err := checkZone(c, f.zone); err != nil {
		return err
	}
	if f.detach && f.linger.Mode == swarm.LingerAuto {
		f.linger.Mode = swarm.LingerBackground
	}
	return checkAddresses(f.listen, f.advertise, f.join)
}

// secondArg is the error for a destination that is given as cp wants it, before or after the ticket. A ticket, which is a secret,
// isn't repeated.
func secondArg(c *cobra.Command, args []string) error {
	for _, word := range []string{args[1], args[0]} {
		if !strings.Contains(strings.ToLower(word), "p2pcp1") && !strings.HasPrefix(word, "@") && word != "-" {
			return usagef("to put it there write -o "+shellWord(word), "get: unexpected argument %s", quoteArg(word))
		}
	}
	return usagef(useHint(c), "get takes one TICKET")
}

// lingerValue is auto, 0 or a duration.
type lingerValue struct{ p *swarm.Linger }

func (v lingerValue) String() string {
	switch {
	case v.p == nil:
		return ""
	case v.p.Mode == swarm.LingerNone:
		return "0"
	case v.p.Mode == swarm.LingerFor:
		return shortDuration(v.p.Idle)
	}
	return "auto"
}

func (v lingerValue) Set(s string) error {
	if s == "auto" {
		*v.p = swarm.Linger{Mode: swarm.LingerAuto}
		return nil
	}
	d, err := parseDuration(s)
	switch {
	case err != nil:
		return errors.New("neither auto nor 0 nor a duration such as 30s")
	case d == 0:
		*v.p = swarm.Linger{Mode: swarm.LingerNone}
	default:
		*v.p = swarm.Linger{Mode: swarm.LingerFor, Idle: d}
	}
	return nil
}

func (v lingerValue) Type() string { return "auto|DUR|0" }
