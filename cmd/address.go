package cmd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"p2pcp/internal/port"
)

// checkListen checks the form of --listen: HOST:PORT, :PORT, PORT, HOST or empty. IPv6 addresses with a port stand in brackets.
func checkListen(s string) error {
	host, number, named, err := port.SplitListen(s)
	if err != nil {
		return err
	}
	if named && number == 0 {
		return errors.New("port 0 can't be told to others; leave the port out to take the first free one")
	}
	return checkHost(host)
}

// checkReach checks the form of an address that others dial: HOST:PORT.
func checkReach(s string) error {
	host, number, err := splitAddress(s)
	switch {
	case err != nil:
		return err
	case host == "":
		return errors.New("the host is missing")
	case number == 0:
		return errors.New("port 0 can't be dialed")
	}
	return checkHost(host)
}

func splitAddress(s string) (host string, number uint16, err error) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, errors.New("not HOST:PORT (an IPv6 address stands in brackets)")
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q is not a number up to 65535", text)
	}
	return host, uint16(n), nil
}

func checkHost(host string) error {
	if strings.ContainsAny(host, " /@[]") || !printable(host) {
		return fmt.Errorf("%q is no host", host)
	}
	// No domain is all digits, so this was meant to be an address.
	last := host[strings.LastIndexByte(host, '.')+1:]
	if _, err := netip.ParseAddr(host); last != "" && strings.Trim(last, "0123456789") == "" && err != nil {
		return fmt.Errorf("%q is no IP address", host)
	}
	return nil
}
