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

// incoming is the Block that is arriving. Only the reader touches it.
type incoming struct {
	wire.Block
	open    bool
	discard bool   // nobody wants it any more
	got     uint32 // bytes so far
	buf     []byte // the whole slice
	spare   []blocks.CV
	spans   []blocks.Span
	refresh time.Time // when the read deadline was last moved
}

var errProtocol = errors.New("protocol error")

// readLoop takes frames until the session ends, and returns why.
func (ss *session) readLoop(br *bufio.Reader) error {
	defer ss.dropIncoming()
	var payload []byte
	var head [wire.HeadSize]byte
	for {
		ss.moveDeadline()
		if _, err := io.ReadFull(br, head[:]); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		t, n, err := wire.ParseHead(head)
		if err != nil {
			return err
		}
		if t == wire.TData {
			if err := ss.readBytes(br, n); err != nil {
				return err
			}
			continue
		}
		if uint32(cap(payload)) < n {
			payload = make([]byte, n)
		}
		payload = payload[:n]
		if _, err := io.ReadFull(br, payload); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if err := ss.take(t, payload); err != nil {
			return err
		}
		if n > 64<<10 {
			payload = nil // a large HELLO or NODES is rare; don't keep its buffer
		}
	}
}

// moveDeadline restarts the silence clock, at most once a second.
func (ss *session) moveDeadline() {
	if now := time.Now(); now.Sub(ss.in.refresh) > time.Second {
		ss.in.refresh = now
		_ = ss.conn.SetReadDeadline(now.Add(silence))
	}
}

// take acts on one control frame.
func (ss *session) take(t wire.Type, p []byte) error {
	switch t {
	case wire.THave, wire.TWithdraw, wire.TReject:
		return ss.takeHoldings(t, p)
	case wire.TAsk, wire.TAny, wire.TGrant, wire.TRefuse, wire.TOffer, wire.TCancel:
		return ss.takeOrders(t, p)
	case wire.TBlock:
		return ss.beginBlock(p)
	case wire.TPeers:
		peers, err := wire.ParsePeers(p)
		if err != nil {
			return err
		}
		ss.s.learnPeers(peers)
		return nil
	case wire.TTree:
		m, err := wire.ParseTree(p)
		if err != nil {
			return err
		}
		ss.push(func(b []byte) []byte { return ss.s.nodesFor(m).Append(b) })
		return nil
	case wire.TNodes:
		return ss.takeNodes(p)
	case wire.TResult, wire.TAck:
		return ss.takeResult(t, p)
	case wire.TPing:
		return nil
	case wire.TBye:
		return errBye
	default:
		return fmt.Errorf("%w: frame of type %d in a session", errProtocol, t)
	}
}

// takeHoldings acts on what the peer says of its Blocks and ours.
func (ss *session) takeHoldings(t wire.Type, p []byte) error {
	if t == wire.THave {
		spans, err := wire.ParseHave(ss.in.spans[:0], p)
		if err != nil {
			return err
		}
		ss.in.spans = spans
		ss.setAnnounced(spans)
		ss.s.post(Event{Kind: PeerHave, Peer: ss.id, Spans: append([]blocks.Span(nil), spans...)})
		return nil
	}
	i, err := wire.ParseIndex(p)
	if err != nil {
		return err
	}
	if t == wire.TReject {
		select {
		case ss.s.rechecks <- i:
		default: // a flood of REJECTs is not worth more hashing
		}
		return nil
	}
	ss.s.post(Event{Kind: PeerWithdraw, Peer: ss.id, Index: i})
	return nil
}

// setAnnounced keeps what the peer has, for cutting Proofs.
func (ss *session) setAnnounced(spans []blocks.Span) {
	c := ss.s.Content()
	if c == nil {
		return // a HAVE before any Header says nothing
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.announced == nil {
		ss.announced = blocks.NewBitfield(c.Header().Blocks)
	}
	for _, s := range spans {
		ss.announced.SetSpan(s)
	}
}

// takeOrders acts on Requests and what answers them.
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
	case wire.TGrant:
		e.Kind = Granted
		e.Index, err = wire.ParseIndex(p)
		if err == nil {
			ss.expect(e.Index, 0)
		}
	case wire.TRefuse:
		var m wire.Refuse
		m, err = wire.ParseRefuse(p)
		e.Kind, e.Index, e.Offset, e.Reason = Refused, m.Index, m.Offset, RefuseReason(m.Reason)
		ss.forget(m.Index, m.Offset)
		if ss.in.open && ss.in.Index == m.Index && ss.in.Offset == m.Offset {
			ss.dropIncoming()
		}
	case wire.TOffer:
		e.Kind = Offered
		if len(p) != 0 {
			err = errProtocol
		}
	case wire.TCancel:
		var m wire.Cancel
		m, err = wire.ParseCancel(p)
		e.Kind, e.Index, e.Offset = Cancelled, m.Index, m.Offset
	}
	if err != nil {
		return err
	}
	ss.s.post(e)
	return nil
}

func (ss *session) forget(i blocks.Index, offset uint32) {
	ss.mu.Lock()
	delete(ss.expected, slot{i, offset})
	ss.mu.Unlock()
}

// beginBlock starts taking a Block. One that nobody expects is discarded as it comes.
func (ss *session) beginBlock(p []byte) error {
	m, err := wire.ParseBlock(p, ss.in.spare)
	if err != nil {
		return err
	}
	ss.dropIncoming()
	ss.in.spare = m.Proof[:0]
	c := ss.s.Content()
	size := uint32(0)
	if c != nil {
		size = c.BlockLen(m.Index)
	}
	if m.Length == 0 || m.Length > blocks.MaxBlockSize || uint64(m.Offset)+uint64(m.Length) > blocks.MaxBlockSize {
		return fmt.Errorf("%w: block of %d bytes at %d", errProtocol, m.Length, m.Offset)
	}
	ss.mu.Lock()
	wanted := ss.expected[slot{m.Index, m.Offset}]
	delete(ss.expected, slot{m.Index, m.Offset})
	ss.mu.Unlock()
	ss.in.Block, ss.in.open, ss.in.got = m, true, 0
	ss.in.discard = !wanted || m.Offset != 0 || m.Length != size
	if !ss.in.discard {
		ss.in.buf = ss.s.buffer(m.Length)
	}
	return nil
}

// dropIncoming gives the buffer back.
func (ss *session) dropIncoming() {
	if ss.in.buf != nil {
		ss.s.recycle(ss.in.buf)
	}
	ss.in.buf, ss.in.open = nil, false
}

// readBytes takes one DATA frame of n bytes' payload.
func (ss *session) readBytes(br *bufio.Reader, n uint32) error {
	var head [wire.DataHead]byte
	if n < wire.DataHead {
		return fmt.Errorf("%w: short DATA", errProtocol)
	}
	if _, err := io.ReadFull(br, head[:]); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	i, offset := wire.ParseDataHead(head)
	n -= wire.DataHead
	in := &ss.in
	if !in.open || i != in.Index || offset != in.Offset+in.got || uint64(in.got)+uint64(n) > uint64(in.Length) {
		return fmt.Errorf("%w: DATA outside of its block", errProtocol)
	}
	if err := ss.s.waitDown(n); err != nil {
		return err
	}
	ss.s.count.received(ss.seed, n)
	var err error
	if in.discard {
		ss.s.count.discarded.Add(uint64(n))
		_, err = io.CopyN(io.Discard, br, int64(n))
	} else {
		_, err = io.ReadFull(br, in.buf[in.got:in.got+n])
	}
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	in.got += n
	if in.got == in.Length {
		return ss.finishBlock()
	}
	if !in.discard {
		ss.s.post(Event{Kind: Progress, Peer: ss.id, Index: in.Index, Offset: in.Offset, Length: in.Length, Bytes: in.got})
	}
	return nil
}

// finishBlock verifies a Block that has arrived whole, writes it, and tells the loop. It runs on the reader, while the bytes are
// in the cache; readers are as many as sessions, so Blocks are verified in parallel.
func (ss *session) finishBlock() error {
	in := &ss.in
	defer ss.dropIncoming()
	if in.discard {
		return nil
	}
	s := ss.s
	err := s.Content().Verify(in.Index, in.Offset, in.buf, in.Proof)
	if errors.Is(err, blocks.ErrBadBlock) {
		s.cfg.Log.Warn("bad block", "peer", ss.member, "block", in.Index, "err", err)
		s.count.bad.Add(1)
		s.post(Event{Kind: Bad, Peer: ss.id, Index: in.Index})
		return nil
	}
	if err == nil && uint32(in.Index) >= s.Content().Header().ManifestBlocks() {
		err = s.write(in.Index, in.buf)
	}
	if err != nil {
		s.fail(err)
		return err
	}
	s.post(Event{Kind: Verified, Peer: ss.id, Index: in.Index, Bytes: in.Length})
	return nil
}

// write puts a verified Block into the Store.
func (s *Swarm) write(i blocks.Index, p []byte) error {
	s.mu.Lock()
	st := s.store
	s.mu.Unlock()
	if st == nil {
		return errNotOpen
	}
	return st.WriteBlock(i, p)
}

// waitDown waits for the download limit.
func (s *Swarm) waitDown(n uint32) error {
	if s.cfg.Down == nil {
		return nil
	}
	return s.cfg.Down.WaitN(s.ctx, int(n))
}
