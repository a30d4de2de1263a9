package gossip

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// Without the key: what was heard on the wire, sent again by a stranger or with a bit turned over, changes nothing, and the stranger
// hears no more than he sent.
func TestReplayedAndForgedPackets(t *testing.T) {
	inSwarm(t, 3, func(s *swarm) {
		stranger := memberAddr(9)
		var heard [][]byte
		answered, listening := 0, true
		s.net.mu.Lock()
		s.net.tap = func(b []byte, to netip.AddrPort) {
			if to == stranger {
				answered += len(b)
			} else if listening && len(heard) < 300 {
				heard = append(heard, bytes.Clone(b))
			}
		}
		s.net.mu.Unlock()
		time.Sleep(30 * time.Second)
		s.converged(s.all)
		synctest.Wait()
		s.net.mu.Lock()
		listening = false
		s.net.mu.Unlock()
		if len(heard) < 100 {
			t.Fatalf("heard %d datagrams", len(heard))
		}
		before := 0
		for _, p := range s.all {
			before += len(p.heard())
		}
		sent := 0
		for k, b := range heard {
			for _, p := range s.all {
				p.node.Packet(b, stranger, time.Now())
				sent += len(b)
			}
			forged := bytes.Clone(b)
			forged[len(forged)-1-k%16] ^= 1 << (k % 8)
			s.all[1].node.Packet(forged, stranger, time.Now())
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(30 * time.Second)
		s.converged(s.all)
		after := 0
		for _, p := range s.all {
			after += len(p.heard())
		}
		s.net.mu.Lock()
		defer s.net.mu.Unlock()
		t.Logf(`RELIABILITY {"kind":"attack","name":"gossip packets replayed and forged","result":"%d datagrams of %d bytes sent again: %d bytes came back, no member changed","test":"TestReplayedAndForgedPackets"}`,
			3*len(heard), sent, answered)
		if answered > sent || after != before {
			t.Errorf("%d bytes came back for %d, %d events followed", answered, sent, after-before)
		}
	})
}

// With the key: who says of another that it is dead is contradicted by that one.
func TestSlanderIsRefuted(t *testing.T) {
	inSwarm(t, 4, func(s *swarm) {
		time.Sleep(10 * time.Second)
		s.converged(s.all)
		for _, incarnation := range []uint32{1, 1000, 1 << 30} {
			for kind := byte(5); kind >= 3; kind -= 2 { // dead, suspect
				incarnation += 10 // it was contradicted
				slander := binary.BigEndian.AppendUint32(append([]byte{kind, 0x83}, "\xabIncarnation\xce"...), incarnation)
				slander = append(slander, "\xa4Node\xa9host-0002\xa4From\xa9host-0003"...)
				for _, p := range s.all[:2] {
					p.node.Packet(sealPacket(p.node.cfg, 1, slander), memberAddr(3), time.Now())
				}
				time.Sleep(5 * time.Second)
			}
		}
		s.converged(s.all)
		if last, n := s.all[0].last(memberName(2)); n < 3 || last.Kind != Up {
			t.Errorf("%d events, the last %v: the slander wasn't heard, or isn't over", n, last.Kind)
		}
	})
}
