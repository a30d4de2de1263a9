package swarm

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/bubble"
	"p2pcp/swarm/wire"
)

func TestAnnouncingAgainAndAgainEndsASession(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, p, q := meeting(t, true, nil)
		ss := p.only()
		all := []blocks.Span{{Count: g.Header().Blocks}}
		for range maxHeard { // as much as a peer that withdraws much may need
			q.send(wire.AppendHave(nil, all))
		}
		synctest.Wait()
		p.only()
		for range maxHeard*1024/g.Header().Blocks + 1 {
			_, _ = q.conn.Write(wire.AppendHave(nil, all))
		}
		synctest.Wait()
		if !errors.Is(ss.reason(), errProtocol) {
			t.Errorf("ended by %v", ss.reason())
		}
		part(p, q)
	})
}

func TestUnreadAnswersAreBounded(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		_, p, q := meeting(t, true, nil)
		ss := p.only()
		ss.mu.Lock()
		ss.control = make([]byte, maxAnswers+1)
		ss.mu.Unlock()
		q.send(wire.Request{Index: blocks.MaxBlocks - 1, Length: 1 << 14}.Append(nil))
		synctest.Wait()
		if !errors.Is(ss.reason(), errUnread) {
			t.Errorf("ended by %v", ss.reason())
		}
		part(p, q)
	})
}

// Members know each other's names: one that calls itself by another's ends no session, and keeps nobody out.
func TestNamesakeFromElsewhereReplacesNobody(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, p, q := meeting(t, true, nil)
		first := p.only()
		for k, later := range []time.Duration{0, 2 * dialTime} {
			time.Sleep(later)
			q.send(wire.AppendEmpty(nil, wire.TPing))
			r := dialPuppet(p, g, 6+k, func(h *wire.Hello) { h.Member = first.member })
			synctest.Wait()
			if p.sessionCount() != 2 || !first.stands() {
				t.Errorf("%d sessions, the first one stands: %v", p.sessionCount(), first.stands())
			}
			_ = r.conn.Close()
			p.mustHave(1)
			p.mu.Lock()
			if p.byMember[first.member] != first {
				t.Error("the name is not the first one's any more")
			}
			p.mu.Unlock()
		}
		part(p, q)
	})
}

// Where we dialled, too, once both can't have dialled at the same time.
func TestNamesakeOfOneWeDialled(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		p := New(Config{Core: CoreConfig{Self: "z"}}) // the other one's dial would win
		conn := &memConn{}
		old := &session{s: p, member: "a", dialed: true, source: netip.MustParseAddr("192.0.2.1"), since: time.Now(), conn: conn}
		if _, err := p.enter(old); err != nil {
			t.Fatal(err)
		}
		time.Sleep(dialTime + time.Second)
		thief := &session{s: p, member: "a", source: netip.MustParseAddr("192.0.2.2"), since: time.Now()}
		if _, err := p.enter(thief); err != nil || !old.stands() {
			t.Errorf("%v, the first one stands: %v", err, old.stands())
		}
	})
}
