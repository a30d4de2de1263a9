// Package swarm moves Blocks between peers.
//
// It is a pure core in a thin shell. The core (core.go and the files that core_purity_test.go lists) is a deterministic
// function: Step(now, Event) -> Actions, without goroutine, clock, socket or global random, so that the binary and the simulator
// run the same scheduling and any failure replays from a seed number. The shell turns sockets into Events and Actions
// into I/O.
//
// Goroutines of a running Swarm, all started and awaited by Run: the loop (the only one that touches the core), two per Session
// (reader: frames in, hashed as they come; writer: control frames and Blocks out), at most 8 landers (a Block that has
// arrived: verify, write to the Store; when it came slowly or all are at work the reader does it), one per dial under way,
// the bootstrap dialer, one each for Open with Check, Place and rechecks, one per observer (at most 32).
//
// The loop never blocks on a Session: what it sends is queued, and a peer that doesn't read its queue is dropped. Readers
// and writers block on the loop's event channel, never the other way round, and never while they hold a lock. Locks are taken in
// the order landing, Swarm.mu, session.mu, taskMu.
//
// A Session's life, in the order of the core's Events: HELLO both ways, registered, PeerUp, ..., PeerDown exactly once, forgotten.
// One that loses against another to the same member ends before PeerUp, or is followed by its own PeerDown, whichever
// comes first. Each Grant and Send is followed by one Served, unless PeerDown comes first.
//
// Memory: a Session that receives owns one Block buffer until its Block is verified and written or a lander took it, one that
// sends owns one frame buffer (at most 256 KiB); idle ones own neither. In all (receiving sessions + landers) x block size +
// (sending sessions) x 256 KiB, whatever the size of the content, plus 64 bytes of Tree and a few bits per Block; a Session inside TLS
// has about 100 KiB more.
//
// It must never put bytes into the Store that Content.Verify has not accepted, nor announce a Block that isn't held.
package swarm
