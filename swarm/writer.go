package swarm

import (
	"errors"
	"fmt"
	"os"
	"time"

	"p2pcp/swarm/wire"
)

// writeTime: a peer that takes nothing for so long is dead.
const writeTime = 30 * time.Second

// writeLoop writes frames until the session ends. Blocks and control frames alternate.
func (ss *session) writeLoop() {
	defer ss.abandonSends()
	idle, pace := time.NewTimer(keepalive), time.NewTimer(time.Hour)
	defer idle.Stop()
	defer pace.Stop()
	for {
		wrote, pause, err := ss.writeOnce()
		switch {
		case err != nil:
			ss.hearOut()
			return
		case wrote:
			idle.Reset(keepalive)
			continue
		case ss.finished():
			return
		case pause > 0:
			pace.Reset(pause)
		}
		ss.dropFrame()
		select {
		case <-ss.wake:
		case <-pace.C:
		case <-idle.C:
			ss.push(func(b []byte) []byte { return wire.AppendEmpty(b, wire.TPing) })
			idle.Reset(keepalive)
		case <-ss.s.ctx.Done():
			ss.close(ss.s.ctx.Err())
		}
	}
}

// finished tells whether nothing is to be written any more; a leaving session says BYE first.
func (ss *session) finished() bool {
	ss.mu.Lock()
	ended, leaving, reason := ss.ended, ss.leaving && !ss.busy, ss.bye
	ss.mu.Unlock()
	if leaving && !ended {
		ss.part(reason)
		return true
	}
	return ended
}

// writeOnce writes the control frames that wait and one DATA frame; wrote is false if there was nothing, or nothing that may be
// sent before a pause.
func (ss *session) writeOnce() (wrote bool, pause time.Duration, err error) {
	o := &ss.out
	req, block := ss.next()
	if block {
		pause = ss.admission(req)
		block = pause == 0
	}
	ss.takeFrame(block)
	o.buf = ss.takeControl(o.buf)
	if block {
		before := len(o.buf)
		if o.buf, err = ss.appendBlock(o.buf, req); err != nil {
			ss.giveUp(req, err)
			o.buf, block = o.buf[:before], false
		}
	}
	frames := o.buf[frameLead:]
	if len(frames) == 0 {
		return false, pause, nil
	}
	begin := time.Now()
	if err := ss.writeAll(frames); err != nil {
		return false, 0, fmt.Errorf("write: %w", err)
	}
	control := len(frames)
	if block {
		control -= int(o.n)
	}
	ss.s.count.control.Add(uint64(control))
	if block {
		o.adapt(ss.conn, time.Since(begin))
		ss.wrote(req)
	}
	return true, pause, nil
}

// writeAll writes b. A peer that takes some of it in writeTime lives, however slow it is; one with TLS, which a deadline leaves
// unusable, must take a piece.
func (ss *session) writeAll(b []byte) error {
	const piece = 2 * maxFrame
	for len(b) > 0 {
		_ = ss.conn.SetWriteDeadline(time.Now().Add(writeTime))
		n, err := ss.conn.Write(b[:min(len(b), piece)])
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
		b = b[n:]
	}
	return nil
}

// next is the Send to go on with, the first one; those that were stopped before it are served. A session that leaves begins none.
func (ss *session) next() (wire.Request, bool) {
	for {
		ss.mu.Lock()
		if len(ss.sends) == 0 || ss.ended || (ss.leaving && !ss.busy) {
			ss.mu.Unlock()
			return wire.Request{}, false
		}
		first := ss.sends[0]
		if !first.stopped {
			ss.busy = true
			ss.mu.Unlock()
			return first.Request, true
		}
		ss.mu.Unlock()
		ss.endSend(first.Request, false)
	}
}

func (ss *session) takeControl(b []byte) []byte {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if !ss.far() {
		ss.tell()
	}
	b = append(b, ss.control...)
	ss.control = ss.control[:0]
	if cap(ss.control) > 64<<10 {
		ss.control = nil
	}
	return b
}

// abandonSends forgets what was queued; PeerDown tells the core.
func (ss *session) abandonSends() {
	ss.mu.Lock()
	ss.sends, ss.busy = nil, false
	ss.mu.Unlock()
	ss.dropFrame()
	if ss.out.pass != nil {
		ss.out.pass.Cancel()
	}
}
