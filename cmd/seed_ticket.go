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
	s.ticket = seed.Ticket{ID: s.source.Content().ID()}
	if kept != nil && kept.ticket.ID != s.ticket.ID {
		s.app.note("%s was for other content: it is replaced by a new ticket", quoteName(f.ticketFile))
		kept = nil
	}
	if secret == nil {
		if secret = seed.NewKey(); kept != nil && kept.ticket.Key != nil {
			secret = kept.ticket.Key
		}
		s.ticket.Key = secret
	}
	listen := f.listen
	if kept != nil && kept.port != 0 {
		listen = onPort(listen, kept.port)
	}
	bound, err := port.Listen(s.app.ctx, port.Config{Listen: listen})
	if err != nil {
		return nil, nil, err
	}
	if err := s.nameAddresses(bound, kept); err != nil {
		_ = bound.Close()
		return nil, nil, err
	}
	return secret, bound, nil
}

// nameAddresses completes the ticket and keeps it.
func (s *seedRun) nameAddresses(bound *port.Port, kept *keptTicket) (err error) {
	f, at := s.flags, bound.Addr()
	if s.ticket.Addrs, err = s.addresses(at); err != nil {
		return err
	}
	sameKey := kept != nil && (kept.ticket.Key != nil) == (s.ticket.Key != nil)
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
func (s *seedRun) addresses(at netip.AddrPort) ([]netip.AddrPort, error) {
	switch {
	case len(s.flags.advertise) > 0:
		list, err := resolveAll(s.app.ctx, s.flags.advertise)
		return list[:min(len(list), maxAddrs)], err
	case at.Addr().IsValid() && !at.Addr().IsUnspecified():
		return []netip.AddrPort{netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}, nil
	}
	return withPort(ownAddrs(at.Addr().Is4()), at.Port()), nil
}

// onPort is listen with the port that a restarted swarm keeps; a port that was named wins.
func onPort(listen string, p uint16) string {
	if _, err := strconv.ParseUint(listen, 10, 16); err == nil {
		return listen // only a port
	}
	host, named, err := splitAddress(listen)
	switch {
	case err != nil:
		host = listen // only a host
	case named != 0:
		return listen
	}
	if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	return net.JoinHostPort(host, strconv.Itoa(int(p)))
}
