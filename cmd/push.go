package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"p2pcp/internal/fleet"
	"p2pcp/seed"
)

func newPushCmd(a *app) *cobra.Command {
	var f pushFlags
	c := &cobra.Command{
		Use:   "push PATH HOST... -o DEST",
		Short: "Send files or directories to many hosts over ssh, all at once",
		Long: "push seeds PATH, logs in to each host with your own ssh, runs get there, and\n" +
			"tells what became of every host. The hosts need sshd and nothing else: where\n" +
			"there is no p2pcp, it sends itself, once. Ctrl-C ends it everywhere; the same\n" +
			"command resumes.\n\n" +
			"The first argument is the PATH, the others are hosts: USER@HOST:PORT,\n" +
			"[IPV6]:PORT, or lists as of pdsh and clush, such as node[001-500],gpu[1-4,7].\n" +
			"With -w or --hosts-file all arguments are PATHs. Or put -- between PATHs and\n" +
			"hosts.",
		Example: "  p2pcp push model/ 'node[001-500]' -o /scratch/\n" +
			"  p2pcp push a b -w 'gpu[1-8]' -o /data/ --run 'systemctl --user restart app'\n" +
			"  p2pcp push big.tar --hosts-file hosts --retry-file again -o /scratch/",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(c *cobra.Command, args []string) error {
			p := &pushRun{app: a, flags: &f, begun: time.Now()}
			var err error
			if p.paths, p.hosts, err = f.check(a, c, args); err != nil {
				return err
			}
			if f.dryRun {
				return p.dryRun()
			}
			return p.run()
		},
	}
	f.register(c)
	return c
}

// pushRun is one run of push: a seed here, and a Fleet of gets.
type pushRun struct {
	app   *app
	flags *pushFlags
	paths []string
	hosts []fleet.Host
	begun time.Time

	seed   *seedRun
	fleet  *fleet.Fleet
	opened chan struct{} // closed once the seed has its ticket
	shown  *fleetDisplay // nil before the seed has its ticket

	telling sync.Once
	told    error // of tell
}

// errPushed ends the seed of a push that is over.
var errPushed = errors.New("pushed")

// run logs in while it hashes, serves until every host has its verdict, and tells it.
func (p *pushRun) run() error {
	a := p.app
	for _, path := range p.paths {
		_, err := os.Lstat(path) // before anybody is asked
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w %s", seed.ErrMissing, quoteArg(path))
		}
		if err != nil {
			return exitf(exitLocal, "is the path right, and on this host?", "%w", err)
		}
	}
	ctx, stop := context.WithCancelCause(a.ctx)
	defer stop(nil)
	if err := p.prepare(ctx); err != nil {
		return err
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.fleet.Run(ctx)
		stop(errPushed) // there may still be a hashing to end
	}()
	err := p.seed.open()
	if err != nil {
		stop(err)
		<-over
		if errors.Is(context.Cause(ctx), errPushed) { // before there was something to push
			return p.verdict(nil)
		}
		return err
	}
	defer p.seed.source.Close()
	a.signals.onStop("stopping on every host: what arrived is kept, the same command resumes")
	p.shown = a.startFleet(p.pull)
	close(p.opened)
	serving, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	running, served := make(chan error, 1), make(chan error, 1)
	go func() { running <- p.seed.member.run(serving) }()
	go func() { served <- p.seed.wait(running, end) }()
	select {
	case <-over:
		end(errPushed)
		err = <-served
	case err = <-served: // a fault: without a seed there is no push
		stop(err)
		<-over
	}
	if errors.Is(err, errPushed) {
		err = nil
	}
	return p.verdict(err)
}

// prepare makes the seed and the Fleet; nothing runs yet.
func (p *pushRun) prepare(ctx context.Context) error {
	f := p.flags
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	own := *p.app // with a context that ends with the Fleet
	own.ctx = ctx
	p.seed = &seedRun{app: &own, flags: &f.seed, paths: p.paths, command: "push", warned: map[string]bool{}}
	p.opened = make(chan struct{})
	p.fleet = fleet.New(fleet.Config{
		Hosts: p.hosts, SSH: f.sshWords, Fanout: f.fanout, Login: f.login, Protocol: protocolVersion, Push: pushVersion,
		Programs: &fleet.Programs{Self: self, System: runtime.GOOS, Arch: runtime.GOARCH, Dir: f.binDir},
		Place:    f.place(), Command: f.run != "", Orders: p.orders, Decided: p.decided, AllDecided: p.allDecided,
	})
	return nil
}

// allDecided is the Fleet's: the verdicts are told while the hosts' processes still end, if there was anything to be had.
func (p *pushRun) allDecided() {
	select {
	case <-p.opened:
		p.tell()
	default:
	}
}

// orders is the Fleet's: it waits for the ticket.
func (p *pushRun) orders(ctx context.Context, changed bool) ([]byte, error) {
	select {
	case <-p.opened:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	f := p.flags
	return []byte(jsonLine(pushOrders{
		Ticket: p.seed.ticket.String(), Args: f.getArgs(len(p.hosts)), Run: f.run, RunSeconds: f.runTimeout.Seconds(), Changed: changed,
	})), nil
}

// dryRun says who would get what; it asks no host.
func (p *pushRun) dryRun() error {
	f := p.flags
	p.seed = &seedRun{app: p.app, flags: &f.seed, paths: p.paths, command: "push", warned: map[string]bool{}}
	source, err := p.seed.hash()
	if err != nil {
		return err
	}
	defer source.Close()
	names := hostNames(p.hosts)
	m := pushPlan{Type: "plan", Name: f.seed.name, Bytes: source.Content().Header().Bytes, To: f.to, Run: f.run, Hosts: names}
	line := fmt.Sprintf("would push %s (%s) to %s of %s: %s",
		quoteName(m.Name), formatSize(m.Bytes), quoteName(f.to), count(len(names), "host"), foldHosts(names))
	if f.run != "" {
		line += "\nwould then run there: " + quoteMessage(f.run)
	}
	p.app.note("dry run: no host was asked")
	return p.app.result(line, m)
}

// pushPlan is the JSON form of --dry-run.
type pushPlan struct {
	Type  string   `json:"message_type"` // plan
	Name  string   `json:"name"`
	Bytes uint64   `json:"bytes"`
	To    string   `json:"to"`
	Run   string   `json:"run,omitempty"`
	Hosts []string `json:"hosts"`
}

// hostNames are the hosts as they can be given again.
func hostNames(hosts []fleet.Host) []string {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.String()
	}
	return names
}
