package cmd

import (
	"golang.org/x/sys/unix"

	"p2pcp/internal/port"
	"p2pcp/seed"
)

// ticketAndSecret resolves a ticket argument and the secret that goes with it.
func (a *app) ticketAndSecret(word, keyFile string) (seed.Ticket, []byte, error) {
	t, err := a.ticket(word)
	if err != nil {
		return t, nil, err
	}
	switch {
	case keyFile != "":
		secret, err := loadKeyFile(keyFile)
		return t, secret, err
	case t.Key == nil:
		return t, nil, exitf(exitAuth, "give the seed's key file with --key-file", "this ticket carries no key")
	}
	return t, t.Key, nil
}

// secretsOf derives what a ticket's swarm is joined with. An encrypted one's differ in all from a plain one's.
func secretsOf(t seed.Ticket, secret []byte) port.Secrets {
	if t.Encrypted {
		return port.DeriveEncrypted(secret, t.ID)
	}
	return port.Derive(secret, t.ID)
}

// loadKeyFile reads the --key-file of either side.
func loadKeyFile(path string) ([]byte, error) {
	secret, err := seed.LoadKeyFile(path)
	if err != nil {
		return nil, exitf(exitLocal, "'p2pcp keygen -o FILE' makes one, for both sides", "%w", err)
	}
	return secret, nil
}

// noDumps keeps keys out of core dumps.
func noDumps() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // to lower a limit is always allowed
	forbidDumps()
}
