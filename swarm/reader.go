package swarm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

var errProtocol = errors.New("protocol error")

// readLoop takes frames until the session ends, and returns why once all that had arrived has landed.
func (ss *session) readLoop(br *bufio.Reader) error {
	defer ss.landings.Wait()
	defer ss.dropIncoming()
	var payload []byte
	var head [wire.HeadSize]byte
	for {
		ss.stillThere()
		t, n, err := wire.ReadHead(br, &head)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if t == wire.TData {
			ss.s.count.control.Add(wire.HeadSize + wire.DataHead)
			if err := ss.readBytes(br, n); err != nil {
				return err
			}
			continue
		}
		if !inSession(t) {
			return fmt.Errorf("%w: frame %s in a session", errProtocol, t)
		}
		if uint32(cap(payload)) < n {
			payload = make([]byte, n)
		}
		payload = payload[:n]
		ss.s.count.control.Add(uint64(wire.HeadSize + n))
		if _, err := io.ReadFull(br, payload); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if err := ss.pace(t, payload); err != nil {
			return err
		}
		if err := ss.take(t, payload); err != nil {
			return err
		}
	}
}

// inSession tells whether a frame of type t may come after HELLO. All of these are at most 64 KiB and a bit.
func inSession(t wire.Type) bool {
	switch t {
	case wire.THello, wire.TStatus, wire.TReport:
		return false
	default:
		return true
	}
}

// stillThere restarts the silence clock, at most once a second.
func (ss *session) stillThere() {
	if now := time.Now(); now.Sub(ss.in.refresh) >= time.Second {
		ss.in.refresh = now
		ss.moveDeadline(now)
	}
}

// take acts on one control frame. Who asks for more and doesn't read the answers is given up long before maxControl: 64 of them
// would be half a gigabyte.
func (ss *session) take(t wire.Type, p []byte) error {
	if (t == wire.TAsk || t == wire.TTree || t == wire.TResult || t == wire.TWithdraw) && ss.unread() > maxAnswers {
		return errUnread
	}
	switch t {
	case wire.THave:
		return ss.takeHave(p)
	case wire.TWithdraw, wire.TReject, wire.TGrant:
		i, err := wire.ParseIndex(p)
		if err != nil {
			return err
		}
		return ss.takeIndex(t, i)
	case wire.TAsk, wire.TAny, wire.TOffer, wire.TCancel:
		return ss.takeOrders(t, p)
	case wire.TRefuse:
		return ss.takeRefuse(p)
	case wire.TBlock:
		return ss.beginBlock(p)
	case wire.TPeers:
		peers, err := wire.ParsePeers(p)
		if err != nil {
			return err
		}
		ss.hears(peers)
		ss.s.learnPeers(ss, ss.counted, peers)
		return nil
	case wire.TTree:
		m, err := wire.ParseTree(p)
		if err != nil {
			return err
		}
		reply := ss.s.nodesFor(m)
		ss.push(func(b []byte) []byte { return reply.Append(b) })
		return nil
	case wire.TNodes:
		return ss.takeNodes(p)
	case wire.TResult, wire.TAck:
		return ss.takeResult(t, p)
	case wire.TPing:
		return nil
	case wire.TBye:
		return byeError(p)
	default:
		return fmt.Errorf("%w: frame %s in a session", errProtocol, t)
	}
}

// byeError is why a session ends with BYE.
func byeError(p []byte) error {
	reason, err := wire.ParseByte(p)
	switch {
	case err != nil:
		return err
	case reason == wire.ByeFull:
		return errFull
	case reason == wire.ByeBanned:
		return errBanned
	case reason == wire.ByeDuplicate:
		return errDuplicate
	default:
		return errBye
	}
}

// takeHave keeps what the peer has, for cutting Proofs, and tells the core. Before there is a Header it says nothing.
func (ss *session) takeHave(p []byte) error {
	spans, err := wire.ParseHave(ss.in.spans[:0], p)
	if err != nil {
		return err
	}
	ss.in.spans = spans
	c := ss.s.Content()
	if c == nil {
		return nil
	}
	ss.mu.Lock()
	for _, s := range spans {
		ss.in.heard += uint64(min(s.Count, c.Header().Blocks))
	}
	if ss.in.heard > maxHeard*(uint64(c.Header().Blocks)+1024) {
		ss.mu.Unlock()
		return fmt.Errorf("%w: too many announcements", errProtocol)
	}
	if ss.announced == nil {
		ss.announced = blocks.NewBitfield(c.Header().Blocks)
	}
	for _, s := range spans {
		ss.announced.SetSpan(s)
	}
	ss.mu.Unlock()
	ss.s.post(Event{Kind: PeerHave, Peer: ss.id, Spans: append([]blocks.Span(nil), spans...)})
	return nil
}

// takeIndex acts on a frame that only names a Block.
func (ss *session) takeIndex(t wire.Type, i blocks.Index) error {
	switch t {
	case wire.TReject:
		ss.takeReject(i)
	case wire.TGrant:
		return ss.takeGrant(i)
	default:
		ss.s.post(Event{Kind: PeerWithdraw, Peer: ss.id, Index: i})
		ss.s.retell(ss, i)
	}
	return nil
}

// takeGrant allows a Block that the peer will send unasked; the core takes it back if it doesn't want it.
func (ss *session) takeGrant(i blocks.Index) error {
	ss.mu.Lock()
	flood := len(ss.awaited) >= maxAwaited
	ss.mu.Unlock()
	if flood {
		return fmt.Errorf("%w: too many grants", errProtocol)
	}
	ss.await(i, 0)
	ss.s.post(Event{Kind: Granted, Peer: ss.id, Index: i})
	return nil
}

// takeReject has a Block hashed again. Only as many as were sent on this session: a flood of REJECTs isn't worth more.
func (ss *session) takeReject(i blocks.Index) {
	ss.mu.Lock()
	earned := ss.sent > 0
	if earned {
		ss.sent--
	}
	ss.mu.Unlock()
	if !earned {
		return
	}
	rejected := Event{Kind: Rejected, Peer: ss.id, Index: i}
	select {
	case ss.s.rechecks <- rejected:
	default:
		ss.s.post(rejected)
	}
}

// takeOrders acts on Requests and what concerns them.
func (ss *session) takeOrders(t wire.Type, p []byte) error {
	e := Event{Peer: ss.id}
	var err error
	switch t {
	case wire.TAsk:
		var m wire.Request
		m, err = wire.ParseRequest(p)
		e.Kind, e.Index, e.Offset, e.Length = Asked, m.Index, m.Offset, m.Length
	case wire.TAny:
		var n byte
		n, err = wire.ParseByte(p)
		e.Kind, e.Count = PeerAny, uint32(n)
	case wire.TCancel:
		var m wire.Cancel
		m, err = wire.ParseCancel(p)
		e.Kind, e.Index, e.Offset = Cancelled, m.Index, m.Offset
	default:
		e.Kind = Offered
	}
	if err != nil {
		return err
	}
	ss.s.post(e)
	return nil
}

// takeRefuse acts on a REFUSE, which may come in the middle of the Block.
func (ss *session) takeRefuse(p []byte) error {
	m, err := wire.ParseRefuse(p)
	if err != nil {
		return err
	}
	ss.forget(m.Index, m.Offset)
	if ss.in.open && ss.in.Index == m.Index && ss.in.Offset == m.Offset {
		ss.dropIncoming()
	}
	ss.s.post(Event{Kind: Refused, Peer: ss.id, Index: m.Index, Offset: m.Offset, Reason: RefuseReason(m.Reason)})
	return nil
}
