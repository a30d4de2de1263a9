package swarm

import (
	"testing"
	"testing/synctest"

	"p2pcp/swarm/wire"
)

// Control is all that passes both ways but content.
func TestControlIsAllButContent(t *testing.T) {
	meet(t, asSeed, nil, func(t *testing.T, g *goods, p *node, q *puppet) {
		q.next(wire.TPing) // what came before has been read
		synctest.Wait()
		before := p.Stats()
		ask := wire.Request{Index: 3, Length: uint32(len(g.bytes[3]))}.Append(nil)
		q.send(ask)
		passed := len(ask)
		for left := len(g.bytes[3]); left > 0; {
			f, m := q.next(wire.TBlock, wire.TData)
			passed += wire.HeadSize + len(m)
			if f == wire.TData {
				left -= len(m) - wire.DataHead
			}
		}
		synctest.Wait()
		now := p.Stats()
		sent, control := now.Sent-before.Sent, now.Control-before.Control
		if int(sent) != len(g.bytes[3]) || int(control) != passed-len(g.bytes[3]) {
			t.Errorf("%d bytes passed, %d of them content: told %d and %d", passed, len(g.bytes[3]), control, sent)
		}

		q.send(g.begin(0))
		q.send(g.data(0, 0, len(g.bytes[0])))
		synctest.Wait()
		want := len(g.begin(0)) + wire.HeadSize + wire.DataHead
		if got := p.Stats().Control - now.Control; int(got) != want {
			t.Errorf("%d control bytes came, want %d", got, want)
		}
	})
}
