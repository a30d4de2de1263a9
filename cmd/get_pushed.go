package cmd

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"p2pcp/blocks"
)

// pushOrders is what push tells the get of a host, as one line of JSON on its stdin: neither the ticket nor a path ever stands in a
// command line.
type pushOrders struct {
	Ticket     string   `json:"ticket"`
	Args       []string `json:"args"`          // flags of get
	Run        string   `json:"run,omitempty"` // a command for sh, once the content is in place
	RunSeconds float64  `json:"run_seconds,omitempty"`
	Changed    bool     `json:"changed,omitempty"` // an earlier attempt has changed what is there, or begun to
}

// maxOrders is the most that orders may have, in bytes: what a pipe holds, for -d.
const maxOrders = 16 << 10

// errHungUp is why a get ends that lost its push.
var errHungUp = errors.New("the push ended")

// runPushed is get for push: the orders come on stdin, and the end of stdin means that push, or ssh, is gone. An ssh client that ends
// leaves what it has started alone, so this is how a get on a host learns of it. With -d it isn't looked at.
func runPushed(a *app, c *cobra.Command, f *getFlags) error {
	in := bufio.NewReaderSize(a.stdin, maxOrders)
	if a.child != nil {
		pipe, err := a.child.ticket()
		if err != nil {
			return err
		}
		defer pipe.Close()
		in.Reset(pipe)
	}
	line, err := in.ReadSlice('\n')
	if err != nil {
		return usagef("", "--pushed is for push, which has no orders: %w", err)
	}
	var o pushOrders
	if err := json.Unmarshal(line, &o); err != nil {
		return usagef("", "--pushed is for push, whose orders are others: %w", err)
	}
	if err := c.ParseFlags(o.Args); err != nil {
		return flagError(a, c, err)
	}
	if err := f.check(c, []string{"-"}); err != nil {
		return err
	}
	switch {
	case f.detach && a.child == nil:
		return a.detach("-", string(line))
	case f.detach:
		// Until the content is in place stdout is ssh's. It may go: we don't.
		a.stdout.letGo()
		a.stderr.letGo()
	default:
		go a.hangUp(in)
	}
	t, secret, err := a.ticketAndSecret(o.Ticket, f.keyFile)
	if err != nil {
		return err
	}
	g := &getRun{app: a, flags: f, ticket: t, secret: secret, umask: umask(), begun: time.Now()}
	if o.Run != "" {
		g.after = func(changed bool, target string, root blocks.Root) error {
			return a.runAfter(o, changed || o.Changed, target, root)
		}
	}
	return g.run()
}

// hangUp ends the run once stdin has ended. It may outlive the run: only the end of the process ends a read of stdin.
func (a *app) hangUp(in io.Reader) {
	_, _ = io.Copy(io.Discard, in) // an error is an end too
	a.cancel(exitf(exitInterrupt, "", "%w", errHungUp))
}

// runMessage is the JSON form of how the command of push's --run ended.
type runMessage struct {
	Type     string  `json:"message_type"` // run
	Code     int     `json:"code"`
	TimedOut bool    `json:"timed_out,omitempty"`
	Seconds  float64 `json:"seconds"`
	Output   string  `json:"output,omitempty"` // the end of it, stdout and stderr together
}

// runAfter runs the command of the orders and tells how it ended: that is push's to judge. What it prints, we repeat.
func (a *app) runAfter(o pushOrders, changed bool, target string, root blocks.Root) error {
	begun := time.Now()
	r := hostCommand{
		line:    o.Run,
		timeout: time.Duration(o.RunSeconds * float64(time.Second)),
		env: []string{
			"P2PCP_PATH=" + target, "P2PCP_ROOT=" + root.String(), fmt.Sprintf("P2PCP_CHANGED=%d", btoi(changed)),
		},
	}.run(a.ctx)
	r.Type, r.Seconds = "run", time.Since(begun).Seconds()
	return a.result("", r)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
