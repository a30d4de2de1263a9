package hostile

import (
	"context"
	"fmt"
	"strings"

	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

// results are false RESULTs.
func results() []Attack {
	return []Attack{
		{Name: "results in others' names", Blame: "another's name", Bans: true, Do: func(ctx context.Context, c *Conn) {
			name := c.foe.another(c.n, c.theirs.Member)
			if name != "" {
				_ = c.send(wire.Result{State: wire.Failed, Member: name, Host: host(name), Target: "/t", Reason: "slander"}.Append(nil))
			}
			c.alive(ctx)
		}},
		{Name: "results of many targets", Blame: "second target", Bans: true, Do: func(_ context.Context, c *Conn) {
			c.repeat(func(b []byte, n int) []byte {
				return wire.Result{State: wire.Changed, Member: c.foe.Name, Host: host(c.foe.Name), Target: fmt.Sprintf("/%d", n)}.Append(b)
			})
		}},
		{Name: "results of many hosts", Width: 16, Hello: anyName, Blame: "another's name", Do: func(ctx context.Context, c *Conn) {
			name := wire.MemberName(fmt.Sprintf("sybil%d", c.n), uint32(c.n))
			_ = c.send(wire.Result{State: wire.Changed, Member: name, Host: host(name), Target: "/" + strings.Repeat("t", 4000)}.Append(nil))
			pause(ctx, again)
		}},
		{Name: "results of an observer", Kind: port.Observer, Blame: "second target", Do: func(_ context.Context, c *Conn) {
			c.repeat(func(b []byte, n int) []byte {
				return wire.Result{State: wire.Changed, Member: c.foe.Name, Host: host(c.foe.Name), Target: fmt.Sprintf("/%d", n)}.Append(b)
			})
		}},
	}
}

// host is the host of a member's name.
func host(member string) string { return member[:max(len(member)-9, 0)] }
