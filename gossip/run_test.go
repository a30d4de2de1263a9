package gossip

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"p2pcp/internal/bubble"
)

func TestUnreadEventsBlockNobody(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := newSwarm(t)
		silent, _ := s.attached(testConfig(40))
		silent.Join([]netip.AddrPort{memberAddr(0)})
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- silent.Run(ctx) }()
		for i := range 30 {
			s.start(testConfig(i))
		}
		time.Sleep(20 * time.Second)
		for round := range 10 {
			for _, p := range s.all {
				p.node.SetState(Getting + State(round%2))
			}
			time.Sleep(3 * time.Second)
		}
		if got := silent.Members(); len(got) != 30 {
			t.Errorf("sees %d members", len(got))
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestRunRefusesWhatCanNotWork(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"name":      func(c *Config) { c.Member = "" },
		"long name": func(c *Config) { c.Member = strings.Repeat("x", 81) },
		"newline":   func(c *Config) { c.Member = "a\nb" },
		"advertise": func(c *Config) { c.Advertise = netip.MustParseAddrPort("0.0.0.0:7700") },
		"port":      func(c *Config) { c.Advertise = netip.MustParseAddrPort("10.0.0.1:0") },
		"zone":      func(c *Config) { c.Advertise = netip.MustParseAddrPort("[fe80::1%eth0]:7700") },
		"label":     func(c *Config) { c.Label = "" },
		"net":       func(c *Config) { c.Net = nil },
		"meta":      func(c *Config) { c.Meta.Role = 0 },
		"rand":      func(c *Config) { c.Rand = strings.NewReader("short") },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(1)
			cfg.Net = newMemnet().host(cfg.Advertise)
			spoil(&cfg)
			n := New(cfg)
			if err := n.Run(t.Context()); err == nil {
				t.Error("Run worked")
			}
			if _, open := <-n.Events(); open {
				t.Error("Events is open")
			}
			if err := n.Run(t.Context()); err == nil {
				t.Error("second Run worked")
			}
		})
	}
}

func TestStreamsBeforeAndAfterRun(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := newSwarm(t)
		seed, host := s.attached(testConfig(0))
		s.start(testConfig(1)) // dials a Node that doesn't run yet
		time.Sleep(2 * time.Second)
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- seed.Run(ctx) }()
		time.Sleep(time.Second)
		if len(seed.Members()) != 1 {
			t.Error("the waiting stream was lost")
		}
		stop()
		<-ended
		ours, theirs := newPipe(memberAddr(0), memberAddr(1))
		seed.Stream(theirs)
		if _, err := ours.Read(make([]byte, 1)); err == nil {
			t.Error("stream after Run is open")
		}
		seed.Packet([]byte{labelByte}, memberAddr(1), time.Now())
		host.attach(nil)
	})
}
