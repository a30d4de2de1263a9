package cmd

import (
	"crypto/rand"
	"encoding/binary"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"p2pcp/swarm/wire"
)

// limiters are token buckets for both directions, nil where there is no limit. A burst holds a whole DATA frame, and 5 ms of
// fast links.
func (r rates) limiters() (up, down *rate.Limiter) {
	one := func(n uint64) *rate.Limiter {
		if n == 0 {
			return nil
		}
		return rate.NewLimiter(rate.Limit(n), int(max(wire.MaxData, n/200)))
	}
	return one(r.Up), one(r.Down)
}

// randSeed seeds the core's own generator.
func randSeed() [2]uint64 {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return [2]uint64{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// umask reads the process's umask. The only way is to set it, so nothing may create files meanwhile.
func umask() uint16 {
	old := unix.Umask(0o077)
	unix.Umask(old)
	return uint16(old)
}
