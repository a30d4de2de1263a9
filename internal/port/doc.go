// Package port owns the one listening port number, TCP and UDP, and the handshake that every TCP connection passes first
// (docs/PROTOCOL.md sections 2 and 3).
//
// Secrets are what one swarm's connections and datagrams are authenticated by; their Tag names the swarm, so that one Port
// can serve several. A connection that passed the handshake is owned by whom its tag and Kind lead to (Route). A datagram
// is memberlist's by its first byte (Packets), or a ping, answered here; anything else is dropped.
//
// In an encrypted swarm sessions and observers go on by TLS 1.3, bound to the secret by MACs over its exporter value.
//
// Who doesn't know the secret gets silence: not a byte by TCP, no datagram by UDP. A reply to a ping is as long as its
// request. Handshakes under way are bounded in number and in time, and so are answers to pings.
//
// Goroutines: Listen, Dial, Handshake, Accept and Ping start none that outlives the call. Serve starts three and one for
// each connection, and returns when all have ended, those inside an accept function included.
package port
