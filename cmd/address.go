package cmd

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// checkListen checks the form of --listen: HOST:PORT, :PORT, HOST or empty. IPv6 addresses with a port stand in brackets.
func checkListen(s string) error {
	if s == "" || net.ParseIP(strings.Trim(s, "[]")) != nil || !strings.Contains(s, ":") {
		return checkHost(s)
	}
	host, port, err := splitAddress(s)
	if err != nil {
		return err
	}
	if port == 0 {
		return errors.New("port 0 can't be told to others; leave the port out to take the first free one")
	}
	return checkHost(host)
}

// checkReach checks the form of an address that others dial: HOST:PORT.
func checkReach(s string) error {
	host, port, err := splitAddress(s)
	switch {
	case err != nil:
		return err
	case host == "":
		return errors.New("the host is missing")
	case port == 0:
		return errors.New("port 0 can't be dialed")
	}
	return checkHost(host)
}

func splitAddress(s string) (host string, port uint16, err error) {
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
	if strings.ContainsAny(host, " /@") || !printable(host) {
		return fmt.Errorf("%q is no host", host)
	}
	return nil
}
