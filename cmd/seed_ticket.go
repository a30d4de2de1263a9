package cmd

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"strconv"

	"p2pcp/internal/port"
	"p2pcp/seed"
)

// keptTicket is what a --ticket-file holds.
type keptTicket struct {
	ticket seed.Ticket
	port   uint16 // 0: not said
}

// readKeys reads --key-file and --ticket-file, before anything long begins: nil where there is none.
func (s *seedRun) readKeys() (secret []byte, kept *keptTicket, err error) {
	f := s.flags
	if f.keyFile != "" {
		if secret, err = loadKeyFile(f.keyFile); err != nil {
			return nil, nil, err
		}
	}
	if f.ticketFile == "" {
		return secret, nil, nil
	}
	t, p, err := seed.LoadTicketFile(f.ticketFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return secret, nil, nil
	case errors.Is(err, seed.ErrTicket):
		return nil, nil, exitf(exitUsage, "name another file, or remove this one", "--ticket-file: %w", err)
	case err != nil:
		return nil, nil, exitf(exitLocal, "name another file with --ticket-file", "%w", err)
	}
	return secret, &keptTicket{t, p}, nil
}

// makeTicket finds the secret, binds the port and makes the ticket: those of --ticket-file, if it is for this content.
func (s *seedRun) makeTicket(secret []byte, kept *keptTicket) ([]byte, *port.Port, error) {
	f := s.flags
	s.ticket = seed.Ticket{ID: s.source.Content().ID(), Encrypted: f.encrypt}
	switch {
	case kept == nil:
	case kept.ticket.ID != s.ticket.ID:
		s.app.note("%s was for other content: it is replaced by a new ticket", quoteName(f.ticketFile))
		kept = nil
	case kept.ticket.Encrypted: // to forget the flag must not open what was closed
		s.ticket.Encrypted = true
	case f.encrypt:
		s.app.note("%s was for a swarm without encryption: it is replaced by a new ticket", quoteName(f.ticketFile))
	}
	if secret == nil {
		if secret = seed.NewKey(); kept != nil && kept.ticket.Key != nil {
			secret = kept.ticket.Key
		}
		s.ticket.Key = secret
	}
	bound, err := port.Listen(s.app.ctx, port.Config{Listen: s.listenAt(kept)})
	if err != nil {
		return nil, nil, err
	}
	if err := s.nameAddresses(bound, kept); err != nil {
		_ = bound.Close()
		return nil, nil, err
	}
	return secret, bound, nil
}

// listenAt is where to listen: --listen, on the port that was kept unless it names one.
func (s *seedRun) listenAt(kept *keptTicket) string {
	if kept == nil || kept.port == 0 {
		return s.flags.listen
	}
	return onPort(s.flags.listen, kept.port)
}

// tryListen finds out before the hashing whether we can listen. It gives the port up again: who connected meanwhile would take
// the silence for a wrong key.
func (s *seedRun) tryListen(kept *keptTicket) error {
	listen := s.listenAt(kept)
	p, err := port.Listen(s.app.ctx, port.Config{Listen: listen})
	if err == nil {
		return p.Close()
	}
	if errors.Is(err, port.ErrTaken) && listen != s.flags.listen {
		return nil // the port is kept for the same content only; its hashes are in the cache, so that makeTicket tells soon
	}
	return err
}

// nameAddresses completes the ticket and keeps it.
func (s *seedRun) nameAddresses(bound *port.Port, kept *keptTicket) error {
	f, at := s.flags, bound.Addr()
	s.ticket.Addrs = s.addresses(at)
	sameKey := kept != nil && (kept.ticket.Key != nil) == (s.ticket.Key != nil) && kept.ticket.Encrypted == s.ticket.Encrypted
	if sameKey && len(f.advertise) == 0 && kept.port == at.Port() {
		s.ticket = kept.ticket // to the letter, so that tickets given out stay the same
	}
	if f.ticketFile == "" {
		return nil
	}
	if err := seed.SaveTicketFile(f.ticketFile, s.ticket, at.Port()); err != nil {
		return exitf(exitLocal, "name another place with --ticket-file", "%w", err)
	}
	return nil
}

// addresses are those of the ticket: --advertise, the one we listen on, or what the interfaces say.
func (s *seedRun) addresses(at netip.AddrPort) []netip.AddrPort {
	switch {
	case len(s.advertise) > 0:
		return s.advertise[:min(len(s.advertise), maxAddrs)]
	case at.Addr().IsValid() && !at.Addr().IsUnspecified():
		return []netip.AddrPort{netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}
	}
	return withPort(ownAddrs(at.Addr().Is4()), at.Port())
}

// onPort is listen with the port that a restarted swarm keeps; a port that was named wins.
func onPort(listen string, p uint16) string {
	host, _, named, err := port.SplitListen(listen)
	if err != nil || named {
		return listen
	}
	return net.JoinHostPort(host, strconv.Itoa(int(p)))
}
