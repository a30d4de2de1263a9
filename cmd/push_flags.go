package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"p2pcp/internal/fleet"
)

// pushFlags are those of 'p2pcp push'.
type pushFlags struct {
	to         string // as in getFlags
	sets       nodesets
	hostsFile  string
	exclude    nodesets
	ssh        string
	sshWords   []string      // after check
	fanout     int           // logins at once
	login      time.Duration // for a shell to answer
	binDir     string
	run        string
	runTimeout time.Duration // 0: none
	retryFile  string
	dryRun     bool
	detach     bool
	limit      string // as it was given

	// What is passed on to each host's get.
	force, delete, checksum, fsync bool
	timeout, stall                 time.Duration

	seed seedFlags // name, exclude, limit, listen, advertise and zone
}

// nodesets are a flag that may be given several times; commas belong to each, as to a list of hosts in the environment.
type nodesets []string

func (n *nodesets) String() string     { return strings.Join(*n, ",") }
func (n *nodesets) Set(s string) error { *n = append(*n, s); return nil }
func (n *nodesets) Type() string       { return "HOSTS" }

// register defines the flags.
func (f *pushFlags) register(c *cobra.Command) {
	fs := c.Flags()
	fs.SortFlags = false
	f.login, f.runTimeout, f.stall = 30*time.Second, 10*time.Minute, 2*time.Minute
	fs.StringVarP(&f.to, "to", "o", "", "put it at `DEST`, or with a / at its end inside it")
	fs.VarP(&f.sets, "hosts", "w", "to these, such as node[001-500],gpu[1-4,7]")
	fs.StringVar(&f.hostsFile, "hosts-file", "", "to those in `FILE` (- is stdin); # begins comments")
	fs.VarP(&f.exclude, "exclude-hosts", "x", "not to these")
	fs.BoolVarP(&f.force, "force", "f", false, "replace what is there and differs")
	fs.BoolVar(&f.delete, "delete", false, "remove files of the directory that aren't sent")
	fs.BoolVar(&f.checksum, "checksum", false, "hash what is there, don't trust size and time")
	fs.StringVar(&f.run, "run", "", "run `CMD` there, with P2PCP_PATH, _ROOT, _CHANGED")
	fs.Var(newDurationValue(&f.runTimeout), "run-timeout", "for CMD")
	fs.BoolVarP(&f.dryRun, "dry-run", "n", false, "only say who would get what")
	fs.StringVar(&f.retryFile, "retry-file", "", "list the hosts that don't have it in `FILE`")
	fs.StringVar(&f.ssh, "ssh", "ssh", "log in with `CMD` (ssh -F cfg)")
	fs.IntVar(&f.fanout, "fanout", 64, "log in to `N` hosts at once")
	fs.Var(newDurationValue(&f.login), "login-timeout", "for a host to answer")
	fs.StringVar(&f.binDir, "bin-dir", "", "`DIR` with p2pcp_*_SYSTEM_ARCH, for other hosts")
	fs.BoolVarP(&f.detach, "detach", "d", false, "hosts go on without ssh, and linger")
	fs.Var(newDurationValue(&f.timeout), "timeout", "a host gives up after this time (exit 5)")
	fs.Var(newDurationValue(&f.stall), "stall-timeout", "or after this time without progress")
	fs.StringVar(&f.limit, "limit", "", "no host faster than `UP:DOWN` (100M; 800Mbit)")
	fs.BoolVar(&f.fsync, "fsync", false, "flush to the disk before it gets its name")
	fs.StringVar(&f.seed.name, "name", "", "call it `NAME` (default: the path's last part)")
	fs.StringArrayVar(&f.seed.exclude, "exclude", nil, "leave out what matches `GLOB`; repeatable")
	fs.StringVar(&f.seed.listen, "listen", "", "listen on `HOST:PORT` (default: all, 7700-7799)")
	fs.StringArrayVar(&f.seed.advertise, "advertise", nil, "tell the hosts this `HOST:PORT`; repeatable")
	markFile(c, "hosts-file")
	markFile(c, "retry-file")
	if err := c.MarkFlagDirname("bin-dir"); err != nil {
		panic("cmd: " + err.Error())
	}
}

// maxRun bounds --run, so that the orders of a host fit into one line.
const maxRun = 4 << 10

// check completes and validates flags and arguments, and returns what goes where. It reads the hosts file and runs nothing.
func (f *pushFlags) check(a *app, c *cobra.Command, args []string) (paths []string, hosts []fleet.Host, err error) {
	paths, words, err := f.divide(c, args)
	if err != nil {
		return nil, nil, err
	}
	if err := f.checkValues(c, paths); err != nil {
		return nil, nil, err
	}
	if hosts, err = f.collect(a, words); err != nil {
		return nil, nil, err
	}
	if f.sshWords, err = fleet.SplitWords(f.ssh); err != nil || len(f.sshWords) == 0 {
		return nil, nil, usagef("", "--ssh %s is no command line", quoteArg(f.ssh))
	}
	if _, err := exec.LookPath(f.sshWords[0]); err != nil {
		return nil, nil, exitf(exitLocal, "install it, or name another with --ssh", "%w", err)
	}
	return paths, hosts, nil
}

// divide tells paths from hosts, by where they stand alone: whether a path exists decides nothing, or a slip of the pen would.
func (f *pushFlags) divide(c *cobra.Command, args []string) (paths, words []string, err error) {
	dash := c.ArgsLenAtDash()
	named := len(f.sets) > 0 || f.hostsFile != ""
	switch {
	case dash >= 0:
		paths, words = args[:dash], args[dash:]
	case named:
		paths = args
	case len(args) > 0:
		paths, words = args[:1], args[1:]
	}
	if len(paths) == 0 {
		return nil, nil, usagef(useHint(c), "push needs a PATH")
	}
	if len(words) == 0 && !named {
		return nil, nil, usagef(useHint(c), "push needs hosts, behind the PATH or with -w or --hosts-file")
	}
	for _, w := range words {
		if host, place, ok := strings.Cut(w, ":"); ok && strings.HasPrefix(place, "/") && !strings.HasPrefix(place, "//") {
			return nil, nil, usagef("write "+shellWord(host)+" -o "+shellWord(place), "%s is scp's way to say where: the place is the same on all hosts", quoteArg(w))
		}
		_, statErr := os.Lstat(w)
		slash := strings.Contains(w, "/") && !strings.Contains(w, "[") && !strings.HasPrefix(w, "ssh://")
		if dash < 0 && (statErr == nil || slash) {
			return nil, nil, usagef("put -- between PATHs and hosts, or name the hosts with -w",
				"%s stands where a host does, and looks like a path", quoteArg(w))
		}
	}
	return paths, words, nil
}

// checkValues checks the flags but those that name hosts.
func (f *pushFlags) checkValues(c *cobra.Command, paths []string) error {
	switch {
	case f.to == "":
		return usagef("-o DIR/ puts it inside DIR", "push needs -o DEST")
	case f.to == "-" || strings.ContainsAny(f.to, "\n\x00") || len(f.to) > 4096:
		return usagef("", "%s is no place", quoteArg(f.to))
	case f.fanout < 1:
		return usagef("", "--fanout is at least 1")
	case f.login < time.Second:
		return usagef("", "--login-timeout is at least 1s")
	case len(f.run) > maxRun:
		return usagef("push a script, and run that", "--run is longer than %d bytes", maxRun)
	case f.run != "" && f.detach:
		return usagef("who runs on alone has nobody to tell", "--run and --detach exclude each other")
	case c.Flags().Changed("run-timeout") && f.run == "":
		return usagef("", "--run-timeout needs --run")
	}
	if f.limit != "" {
		v := ratesValue{&f.seed.limit, false}
		if err := v.Set(f.limit); err != nil {
			return usagef("", "--limit %s: %w", quoteArg(f.limit), err)
		}
	}
	if err := checkLater("--retry-file", f.retryFile); err != nil {
		return err
	}
	return f.seed.check(c, paths)
}

// collect puts the hosts together.
func (f *pushFlags) collect(a *app, words []string) ([]fleet.Host, error) {
	var all []fleet.Host
	for _, set := range append(words, f.sets...) {
		hosts, err := fleet.ParseHosts(set)
		if err != nil {
			return nil, usagef("such as node7, root@node7:2222, [fd00::7], node[001-500]", "%w", err)
		}
		all = append(all, hosts...)
	}
	if f.hostsFile != "" {
		hosts, err := readHostsFile(a, f.hostsFile)
		if err != nil {
			return nil, err
		}
		all = append(all, hosts...)
	}
	var not []fleet.Host
	for _, set := range f.exclude {
		hosts, err := fleet.ParseHosts(set)
		if err != nil {
			return nil, usagef("", "--exclude-hosts: %w", err)
		}
		not = append(not, hosts...)
	}
	hosts := fleet.Choose(all, not)
	switch {
	case len(hosts) == 0:
		return nil, usagef("", "no host is left to push to")
	case len(hosts) > fleet.MaxHosts:
		return nil, usagef("", "%d hosts are more than %d", len(hosts), fleet.MaxHosts)
	}
	return hosts, nil
}

// readHostsFile reads --hosts-file.
func readHostsFile(a *app, name string) ([]fleet.Host, error) {
	in := a.stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, exitf(exitLocal, "--hosts-file FILE has a host a line; - is stdin", "read hosts: %w", err)
		}
		defer file.Close()
		in = file
	}
	hosts, err := fleet.ReadHosts(in)
	if err != nil {
		return nil, usagef("one or more lists of hosts a line, # begins a comment", "--hosts-file %s: %w", quoteName(name), err)
	}
	return hosts, nil
}

// place is a directory of the destination, for the program of a host that has no better place.
func (f *pushFlags) place() string {
	switch {
	case !path.IsAbs(f.to):
		return ""
	case strings.HasSuffix(f.to, "/"):
		return path.Clean(f.to)
	}
	return path.Dir(path.Clean(f.to))
}

// pushLinger is how long a host that has the content stays without a request, for hosts that log in late. All are told to end when
// the last has it.
const pushLinger = time.Minute

// getArgs are the flags of each host's get. It tells how far it is once a second, or less often where so many would keep us busy.
func (f *pushFlags) getArgs(hosts int) []string {
	args := []string{
		"--json", "--to=" + f.to, "--stall-timeout=" + shortDuration(f.stall), "--linger=" + shortDuration(pushLinger),
		"--progress-interval=" + shortDuration(time.Second*time.Duration(1+min(hosts/100, 9))),
	}
	for _, set := range []struct {
		on   bool
		flag string
	}{{f.force, "--force"}, {f.delete, "--delete"}, {f.checksum, "--checksum"}, {f.fsync, "--fsync"}, {f.detach, "--detach"}} {
		if set.on {
			args = append(args, set.flag)
		}
	}
	if f.timeout > 0 {
		args = append(args, fmt.Sprintf("--timeout=%s", shortDuration(f.timeout)))
	}
	if f.limit != "" {
		args = append(args, "--limit="+f.limit)
	}
	return args
}
