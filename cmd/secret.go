package cmd

import "p2pcp/seed"

// ticketAndSecret resolves a ticket argument and the secret that goes with it.
func (a *app) ticketAndSecret(word, keyFile string) (seed.Ticket, []byte, error) {
	t, err := a.ticket(word)
	if err != nil {
		return t, nil, err
	}
	switch {
	case t.Encrypted:
		return t, nil, exitf(exitFailure, "use the release of p2pcp that made the ticket",
			"this ticket asks for encryption, which this release doesn't speak")
	case keyFile != "":
		secret, err := loadKeyFile(keyFile)
		return t, secret, err
	case t.Key == nil:
		return t, nil, exitf(exitAuth, "give the seed's key file with --key-file", "this ticket carries no key")
	}
	return t, t.Key, nil
}

// loadKeyFile reads the --key-file of either side.
func loadKeyFile(path string) ([]byte, error) {
	secret, err := seed.LoadKeyFile(path)
	if err != nil {
		return nil, exitf(exitLocal, "'p2pcp keygen -o FILE' makes one, for both sides", "%w", err)
	}
	return secret, nil
}
