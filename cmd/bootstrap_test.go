package cmd

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"p2pcp/internal/bubble"
	"p2pcp/seed"
)

// TestBootstrapNames: a name gives all of its addresses, is waited for where nothing else is known, and skipped where something is.
func TestBootstrapNames(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		begun, warned := time.Now(), ""
		b := bootstrap{
			patience: 10 * time.Second,
			resolve: func(_ context.Context, list []string) ([]netip.AddrPort, error) {
				if time.Since(begun) < 3*time.Second {
					return nil, exitf(exitNobody, "", "%s isn't known", list[0])
				}
				return []netip.AddrPort{fakeAddr(1), fakeAddr(2), fakeAddr(3)}, nil
			},
			warn: func(format string, args ...any) { warned += fmt.Sprintf(format, args...) },
		}
		one := seed.Ticket{Addrs: []netip.AddrPort{fakeAddr(9)}}
		if got, err := b.find(t.Context(), one, []string{"p2pcp:7799"}); err != nil || len(got) != 1 || !strings.Contains(warned, "p2pcp:7799 isn't known") {
			t.Errorf("%v, %v, %q", got, err, warned)
		}
		got, err := b.find(t.Context(), seed.Ticket{}, []string{"p2pcp:7799"})
		if err != nil || len(got) != 3 || time.Since(begun) != 3*time.Second {
			t.Errorf("%v, %v after %s", got, err, time.Since(begun))
		}
		if got, err = b.find(t.Context(), one, []string{"p2pcp:7799"}); err != nil || len(got) != 4 || got[3] != fakeAddr(9) {
			t.Errorf("%v, %v", got, err)
		}
		b.patience = time.Second
		begun = time.Now()
		if _, err := b.find(t.Context(), seed.Ticket{}, []string{"p2pcp:7799"}); codeOf(err) != exitNobody {
			t.Errorf("%v", err)
		}
	})
}
