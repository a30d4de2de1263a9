package swarm

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// DATA frames are sized by time, so that control frames pass between them: one that took longer than slowFrame to write
// is halved next time, one quicker than fastFrame doubled. HAVEs gather for as long; a receiver wakes once or twice for a frame.
const (
	minFrame  = 16 << 10 // bytes: 0.7 ms at 200 Mbit/s
	maxFrame  = wire.MaxData
	fastFrame = 12 * time.Millisecond
	slowFrame = 25 * time.Millisecond
)

// outgoing is the Block that is being sent. Only the writer touches it.
type outgoing struct {
	sent  uint32            // content bytes of it, written
	n     uint32            // of the frame that comes next; 0: not chosen yet
	pass  *rate.Reservation // for n bytes; nil: no limit
	frame int               // content bytes that a frame should have
	buf   []byte            // frameLead, then what is written
	lent  *[]byte           // what buf was when it was borrowed; nil: it is our own, for control frames
	whole []byte            // the Block's bytes, for a Request inside it
	proof []blocks.CV
}

// admission chooses the length of the next DATA frame, and tells how long the limit keeps it back. Control frames go meanwhile.
func (ss *session) admission(req wire.Request) time.Duration {
	o, limit := &ss.out, ss.s.cfg.Up
	if o.n == 0 {
		o.n = min(uint32(o.frame), req.Length-o.sent)
		if limit != nil {
			o.n = min(o.n, bite(limit))
			o.pass = limit.ReserveN(time.Now(), int(o.n))
		}
	}
	if o.pass == nil {
		return 0
	}
	return o.pass.Delay()
}

// frameLead is left free before a frame, so that content begins no few bytes behind a page's beginning: what is read from a file's pages to
// 1 to 60 bytes further in a page takes 2.5 times as long on some cores (an EPYC: 0.6 s/GiB), and a DATA frame's head has 13.
const frameLead = 256

// takeFrame borrows the buffer that a DATA frame is made in, dropFrame gives it back: an idle session has none.
func (ss *session) takeFrame(block bool) {
	o := &ss.out
	if block && o.lent == nil {
		o.lent = ss.s.frames.Get().(*[]byte)
		o.buf = *o.lent
	}
	if cap(o.buf) < frameLead {
		o.buf = make([]byte, frameLead, 2*frameLead)
	}
	o.buf = o.buf[:frameLead]
}

func (ss *session) dropFrame() {
	o := &ss.out
	if o.lent != nil {
		*o.lent = o.buf // it may have grown
		ss.s.frames.Put(o.lent)
	}
	if o.lent != nil || cap(o.buf) > 4<<10 {
		o.lent, o.buf = nil, nil
	}
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
	offset := req.Offset + o.sent
	b = wire.AppendDataHead(b, req.Index, offset, int(o.n))
	from := len(b)
	b = slices.Grow(b, int(o.n))[:from+int(o.n)]
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
		o.whole = ss.s.buffer(size)
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
	reason := Withdrawn
	if errors.Is(err, errNoSuchBlock) {
		reason = NotHeld
	} else {
		if ss.s.cfg.OnReject != nil {
			ss.s.cfg.OnReject(req.Index, err)
		}
		ss.s.lose(req.Index, err)
	}
	ss.endSend(req, false)
	ss.push(func(b []byte) []byte {
		return wire.Refuse{Index: req.Index, Offset: req.Offset, Reason: byte(reason)}.Append(b)
	})
}

// wrote counts the frame and ends the Send after its last.
func (ss *session) wrote(req wire.Request) {
	o := &ss.out
	o.sent += o.n
	ss.s.count.sent.Add(uint64(o.n))
	ss.ration.earn(o.n)
	o.n, o.pass = 0, nil
	if o.sent == req.Length {
		ss.endSend(req, true)
	}
}

// endSend removes the first Send, and tells the core what became of it.
func (ss *session) endSend(r wire.Request, ok bool) {
	o := &ss.out
	sent := o.sent
	if o.pass != nil {
		o.pass.Cancel() // does nothing if it was made use of
	}
	if o.whole != nil {
		ss.s.recycle(o.whole)
	}
	o.sent, o.n, o.pass, o.whole = 0, 0, nil, nil
	ss.mu.Lock()
	ss.sends = append(ss.sends[:0], ss.sends[1:]...)
	ss.busy = false
	if ok {
		ss.sent++
	}
	ss.mu.Unlock()
	ss.s.post(Event{Kind: Served, Peer: ss.id, Index: r.Index, Offset: r.Offset, Length: r.Length, Bytes: sent, OK: ok})
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
