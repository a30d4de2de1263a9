package gossip

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"p2pcp/internal/bubble"
)

// FuzzPacket gives a running Node arbitrary bytes, as a datagram and as a stream: as they are, sealed with the key behind our
// label (what a hostile member can do), and sealed as a stream's only message. Whatever it is, no panic, and the Node still runs and leaves.
func FuzzPacket(f *testing.F) {
	packets, streams := hostile(testConfig(0))
	for i, b := range append(packets, streams...) {
		f.Add(b, byte(i))
	}
	for _, plain := range [][]byte{nil, {0, 0x80}, states(1, 0), states(65535, 0), {7, 2, 0, 1, 0, 1, 0, 1}} {
		for version := range byte(3) {
			f.Add(plain, version)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, version byte) {
		if len(b) > 4096 {
			return
		}
		bubble.Test(t, func(t *testing.T) {
			net := newMemnet()
			cfg := testConfig(0)
			host := net.host(cfg.Advertise)
			cfg.Net = host
			n := New(cfg)
			host.attach(n)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- n.Run(ctx) }()
			synctest.Wait()
			for _, p := range [][]byte{b, sealPacket(cfg, version%3, b), sealPacket(cfg, 1, b)} {
				n.Packet(p, memberAddr(9), time.Now())
			}
			for _, s := range [][]byte{b, sealStream(cfg, version%3, b), sealStream(cfg, 1, b)} {
				ours, theirs := newPipe(memberAddr(9), cfg.Advertise)
				n.Stream(theirs)
				_, _ = ours.Write(s)
				synctest.Wait()
				_ = ours.Close()
				_, _ = io.ReadAll(ours)
			}
			synctest.Wait()
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			time.Sleep(10 * time.Minute)
		})
	})
}
