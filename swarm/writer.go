package swarm

import (
	"fmt"
	"net"
	"time"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// DATA frames are sized by time, so that control frames pass between them: one that took longer than slowFrame to write
// is halved next time, one quicker than fastFrame doubled.
const (
	minFrame  = 16 << 10 // bytes: 0.7 ms at 200 Mbit/s
	maxFrame  = wire.MaxData
	fastFrame = 1 * time.Millisecond
	slowFrame = 4 * time.Millisecond
	writeTime = 30 * time.Second // a peer that takes nothing for so long is dead
)

// outgoing is the Block that is being sent. Only the writer touches it, but for busy (session.mu).
type outgoing struct {
	busy  bool // sends[0] has begun
	sent  uint32
	n     uint32 // content bytes of the frame being written
	frame int    // content bytes of the next one
	buf   []byte
	whole []byte // the Block's bytes, for a Request inside it
	proof []blocks.CV
}

// writeLoop writes frames until the session ends. Blocks and control frames alternate.
func (ss *session) writeLoop() {
	defer ss.abandonSends()
	idle := time.NewTimer(keepalive)
	defer idle.Stop()
	for {
		wrote, err := ss.writeOnce()
		if err != nil {
			ss.close(err)
			return
		}
		if wrote {
			idle.Reset(keepalive)
			continue
		}
		if ss.finished() {
			return
		}
		ss.out.release()
		select {
		case <-ss.wake:
		case <-idle.C:
			ss.push(func(b []byte) []byte { return wire.AppendEmpty(b, wire.TPing) })
		case <-ss.s.ctx.Done():
			ss.close(ss.s.ctx.Err())
		}
	}
}

// finished tells whether the session has ended; a leaving one says BYE first.
func (ss *session) finished() bool {
	ss.mu.Lock()
	ended, leaving := ss.ended, ss.leaving
	ss.mu.Unlock()
	if leaving && !ended {
		_ = ss.conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		_, _ = ss.conn.Write(wire.AppendByte(nil, wire.TBye, 1))
		ss.close(nil)
		return true
	}
	return ended
}

// writeOnce writes the control frames that wait and one DATA frame; false if there was nothing.
func (ss *session) writeOnce() (bool, error) {
	o := &ss.out
	req, block := ss.next()
	o.buf = ss.takeControl(o.buf[:0])
	if block {
		control := len(o.buf)
		var err error
		if o.buf, err = ss.appendBlock(o.buf, req); err != nil {
			ss.giveUp(req, err)
			o.buf, block = o.buf[:control], false
		}
	}
	if len(o.buf) == 0 {
		return block, nil
	}
	begin := time.Now()
	_ = ss.conn.SetWriteDeadline(begin.Add(writeTime))
	if _, err := ss.conn.Write(o.buf); err != nil {
		return false, fmt.Errorf("write: %w", err)
	}
	if block {
		o.adapt(ss.conn, time.Since(begin))
		ss.wrote(req)
	}
	return true, nil
}

// next is the Send to go on with, its first one at a time.
func (ss *session) next() (wire.Request, bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if len(ss.sends) == 0 || ss.ended || (ss.leaving && !ss.out.busy) {
		return wire.Request{}, false
	}
	if ss.stop {
		r := ss.sends[0]
		ss.popLocked()
		ss.s.spawn(func() { ss.s.post(served(ss.id, r, 0, false)) })
		if len(ss.sends) == 0 {
			return wire.Request{}, false
		}
	}
	if !ss.out.busy {
		ss.out.busy, ss.out.sent, ss.out.whole = true, 0, nil
	}
	return ss.sends[0], true
}

// popLocked removes the first Send; ss.mu is held.
func (ss *session) popLocked() {
	ss.sends = append(ss.sends[:0], ss.sends[1:]...)
	ss.out.busy, ss.stop = false, false
}

func (ss *session) takeControl(b []byte) []byte {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	b = append(b, ss.control...)
	ss.control = ss.control[:0]
	if cap(ss.control) > 64<<10 {
		ss.control = nil
	}
	return b
}

// appendBlock appends the next DATA frame of req, with BLOCK before the first.
func (ss *session) appendBlock(b []byte, req wire.Request) ([]byte, error) {
	o := &ss.out
	if o.sent == 0 {
		var err error
		if b, err = ss.appendStart(b, req); err != nil {
			return b, err
		}
	}
	o.n = min(uint32(o.frame), req.Length-o.sent)
	if err := ss.s.waitUp(o.n); err != nil {
		return b, err
	}
	offset := req.Offset + o.sent
	b = wire.AppendDataHead(b, req.Index, offset, int(o.n))
	from := len(b)
	b = append(b, make([]byte, o.n)...)
	if err := ss.s.read(req.Index, offset, b[from:]); err != nil {
		return b, err
	}
	return b, nil
}

// appendStart appends the BLOCK frame with its Proof.
func (ss *session) appendStart(b []byte, req wire.Request) ([]byte, error) {
	c, o := ss.s.Content(), &ss.out
	size := c.BlockLen(req.Index)
	if size == 0 || uint64(req.Offset)+uint64(req.Length) > uint64(size) || req.Length == 0 {
		return b, errNoSuchBlock
	}
	if req.Length < size {
		o.whole = make([]byte, size)
		if err := ss.s.read(req.Index, 0, o.whole); err != nil {
			return b, err
		}
	}
	ss.mu.Lock()
	proof, ok := c.Proof(o.proof[:0], req.Index, req.Offset, req.Length, o.whole, ss.announced)
	ss.mu.Unlock()
	if !ok {
		return b, errNoSuchBlock
	}
	o.proof = proof
	return wire.Block{Request: req, Proof: proof}.Append(b), nil
}

var errNoSuchBlock = fmt.Errorf("%w: no such block or slice", errProtocol)

// giveUp answers a Send that can't be read (on): REFUSE, and the core withdraws the Block.
func (ss *session) giveUp(req wire.Request, err error) {
	if ss.s.ctx.Err() != nil {
		return
	}
	ss.mu.Lock()
	ss.popLocked()
	ss.mu.Unlock()
	reason := Withdrawn
	if err == errNoSuchBlock { //nolint:errorlint // our own value, never wrapped
		reason = NotHeld
	} else {
		if ss.s.cfg.OnReject != nil {
			ss.s.cfg.OnReject(req.Index, err)
		}
		ss.s.post(Event{Kind: Unreadable, Index: req.Index})
	}
	ss.s.post(served(ss.id, req, ss.out.sent, false))
	ss.push(func(b []byte) []byte {
		return wire.Refuse{Index: req.Index, Offset: req.Offset, Reason: byte(reason)}.Append(b)
	})
}

// wrote counts the frame and ends the Send after its last.
func (ss *session) wrote(req wire.Request) {
	o := &ss.out
	o.sent += o.n
	ss.s.count.sent.Add(uint64(o.n))
	if o.sent < req.Length {
		return
	}
	ss.mu.Lock()
	ss.popLocked()
	ss.mu.Unlock()
	ss.s.post(served(ss.id, req, req.Length, true))
}

func served(id PeerID, r wire.Request, sent uint32, ok bool) Event {
	return Event{Kind: Served, Peer: id, Index: r.Index, Offset: r.Offset, Length: r.Length, Bytes: sent, OK: ok}
}

// adapt sizes the next frame, and what the kernel may hold unsent, by the time that this one took.
func (o *outgoing) adapt(conn net.Conn, took time.Duration) {
	size := o.frame
	switch {
	case took < fastFrame && o.n == uint32(o.frame):
		size = min(2*o.frame, maxFrame)
	case took > slowFrame:
		size = max(o.frame/2, minFrame)
	}
	if size != o.frame {
		o.frame = size
		setUnsent(conn, size)
	}
}

// release gives up the buffers of a session that has nothing to send.
func (o *outgoing) release() { o.buf, o.whole = nil, nil }

// abandonSends forgets what was queued; PeerDown tells the core.
func (ss *session) abandonSends() {
	ss.mu.Lock()
	ss.sends, ss.out.busy, ss.stop = nil, false, false
	ss.mu.Unlock()
	ss.out.release()
}

// waitUp waits for the upload limit.
func (s *Swarm) waitUp(n uint32) error {
	if s.cfg.Up == nil {
		return nil
	}
	return s.cfg.Up.WaitN(s.ctx, int(n))
}
