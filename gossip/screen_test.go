package gossip

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"
)

// seal does what memberlist does with a plaintext: version, nonce, AES-GCM with extra as associated bytes.
func seal(cfg Config, version byte, plain, extra []byte) []byte {
	block, err := aes.NewCipher(cfg.Key[:])
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	nonce := []byte("twelve bytes")
	return append(append([]byte{version}, nonce...), gcm.Seal(nil, nonce, plain, extra)...)
}

// sealPacket makes a datagram of a plaintext.
func sealPacket(cfg Config, version byte, plain []byte) []byte {
	b := append([]byte{labelByte, byte(len(cfg.Label))}, cfg.Label...)
	return append(b, seal(cfg, version, plain, []byte(cfg.Label))...)
}

// sealStream makes a stream towards the listener of a plaintext.
func sealStream(cfg Config, version byte, plain []byte) []byte {
	frame := binary.BigEndian.AppendUint32([]byte{encryptByte}, uint32(sealLen+len(plain)))
	sealed := seal(cfg, version, plain, append(bytes.Clone(frame), cfg.Label...))
	b := append([]byte{labelByte, byte(len(cfg.Label))}, cfg.Label...)
	return append(append(b, frame...), sealed...)
}

// states is a header of an exchange of states as msgpack, Nodes being 16 bits long.
func states(nodes uint16, user byte) []byte {
	b := append([]byte{pushPullByte, 0x83, 0xa5}, "Nodes"...)
	b = append(append(b, 0xcd, byte(nodes>>8), byte(nodes), 0xac), "UserStateLen"...)
	b = append(append(b, user, 0xa4), "Join"...)
	return append(b, 0xc2)
}

func TestScreenOfStreams(t *testing.T) {
	cfg := testConfig(0)
	cfg.MaxMembers = 100
	wrong := cfg
	wrong.Label = "p2pcp/another89abcdef"
	good := sealStream(cfg, 1, states(2, 0))
	for name, c := range map[string]struct {
		in   []byte
		pass bool
	}{
		"states":                {good, true},
		"ping":                  {sealStream(cfg, 1, []byte{pingByte, 0x80}), true},
		"empty plaintext":       {sealStream(cfg, 1, nil), false},
		"padded":                {sealStream(cfg, 0, bytes.Repeat([]byte{255}, 16)), false},
		"too many states":       {sealStream(cfg, 1, states(10000, 0)), false},
		"state of users":        {sealStream(cfg, 1, states(2, 1)), false},
		"compressed":            {sealStream(cfg, 1, []byte{9, 0x80}), false},
		"user message":          {sealStream(cfg, 1, []byte{8, 0x80}), false},
		"answer":                {sealStream(cfg, 1, []byte{ackByte, 0x80}), false},
		"cut header":            {sealStream(cfg, 1, states(2, 0)[:20]), false},
		"other header":          {sealStream(cfg, 1, []byte{pushPullByte, 0x83, 0xa1, 'x', 1, 0xa1, 'y', 1, 0xa1, 'z', 1}), false},
		"another label":         {sealStream(wrong, 1, states(2, 0)), false},
		"no label":              {good[2+len(cfg.Label):], false},
		"plain":                 {append(good[:2+len(cfg.Label):2+len(cfg.Label)], states(2, 0)...), false},
		"huge":                  {append(good[:3+len(cfg.Label):3+len(cfg.Label)], 255, 255, 255, 255), false},
		"cut before the cipher": {good[:3+len(cfg.Label)], false},
	} {
		read, rest, err := newScreen(cfg).head(bytes.NewReader(c.in), true)
		if (err == nil) != c.pass {
			t.Errorf("%s: %v", name, err)
		}
		if c.pass && (!bytes.HasPrefix(c.in, read) || int(rest) != len(c.in)-len(read)) {
			t.Errorf("%s: read %d and %d more of %d", name, len(read), rest, len(c.in))
		}
	}
	if _, _, err := newScreen(cfg).head(bytes.NewReader(nil), true); !errors.Is(err, io.EOF) {
		t.Errorf("nothing: %v", err)
	}
}

func TestScreenOfPackets(t *testing.T) {
	cfg := testConfig(0)
	wrong := cfg
	wrong.Label += "x"
	good := sealPacket(cfg, 1, []byte{0})
	for name, c := range map[string]struct {
		in   []byte
		pass bool
	}{
		"good":            {good, true},
		"empty":           {nil, false},
		"first byte":      {good[:1], false},
		"label only":      {good[:2+len(cfg.Label)], false},
		"cut":             {good[:len(good)-1], false},
		"empty plaintext": {sealPacket(cfg, 1, nil), false},
		"padded":          {sealPacket(cfg, 0, bytes.Repeat([]byte{255}, 16)), false},
		"another label":   {sealPacket(wrong, 1, []byte{0}), false},
	} {
		if got := newScreen(cfg).packet(c.in); got != c.pass {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMsgpackUint(t *testing.T) {
	for _, c := range []struct {
		in   []byte
		want uint64
		ok   bool
	}{
		{[]byte{0x7f}, 0x7f, true},
		{[]byte{0xc2}, 0, true},
		{[]byte{0xc3}, 1, true},
		{[]byte{0xcc, 0xff}, 0xff, true},
		{[]byte{0xcd, 1, 2}, 0x102, true},
		{[]byte{0xce, 1, 2, 3, 4}, 0x1020304, true},
		{[]byte{0xcf, 255, 0, 0, 0, 0, 0, 0, 1}, 0xff00000000000001, true},
		{[]byte{0xd0, 0x7f}, 0x7f, true},
		{[]byte{0xd1, 1, 2}, 0x102, true},
		{[]byte{0xd0, 0x80}, 0, false},
		{[]byte{0xff}, 0, false},
		{[]byte{0xcd, 1}, 0, false},
		{[]byte{0xa1, 'x'}, 0, false},
		{nil, 0, false},
	} {
		v, rest, err := msgpackUint(c.in)
		if v != c.want || (err == nil) != c.ok || len(rest) != 0 {
			t.Errorf("%x: %d, %x, %v", c.in, v, rest, err)
		}
	}
}

// hostile is what members that hold the key, or not, may send; each must leave a running Node as it was.
func hostile(cfg Config) (packets, streams [][]byte) {
	alive := append([]byte{4, 0x86}, "\xabIncarnation\x01\xa4Node\xa1x\xa4Addr\xa3abc\xa4Port\x01\xa4Meta\xa0\xa3Vsn\xa6\x01\x05\x02\x00\x00\x00"...)
	plains := [][]byte{
		nil,
		{0},
		{7},
		{7, 255, 1, 2},
		{9},
		{12, 0, 0, 0, 0, 4},
		alive, states(65535, 0), states(1, 0), bytes.Repeat([]byte{7, 1, 0, 4}, 300),
		append([]byte{0, 0x81, 0xa6}, "SourceAddr\xa3abc"...),
		{1, 0x80},
		{2, 0x80},
		{3, 0x80},
		{5, 0x80},
		{6, 0xdf, 255, 255, 255, 255},
		{11, 0x80},
		{244, 1},
	}
	for _, p := range plains {
		for version := range byte(3) {
			packets = append(packets, sealPacket(cfg, version, p))
			streams = append(streams, sealStream(cfg, version, p))
		}
		packets = append(packets, p)
		streams = append(streams, p)
	}
	return packets, streams
}

func TestHostileMessagesChangeNothing(t *testing.T) {
	inSwarm(t, 3, func(s *swarm) {
		time.Sleep(10 * time.Second)
		victim := s.all[1]
		packets, streams := hostile(victim.node.cfg)
		for _, b := range packets {
			victim.node.Packet(b, memberAddr(9), time.Now())
		}
		for _, b := range streams {
			ours, theirs := newPipe(memberAddr(9), memberAddr(1))
			victim.node.Stream(theirs)
			_, _ = ours.Write(b)
			time.Sleep(10 * time.Second) // beyond the deadline of a stream that waits for more
			_, _ = io.ReadAll(ours)
			_ = ours.Close()
		}
		s.converged(s.all)
		if open := victim.node.transport.inbound; open != 0 {
			t.Errorf("%d streams are still open", open)
		}
	})
}

func TestSilentStreamsAreBoundedAndEnd(t *testing.T) {
	inSwarm(t, 2, func(s *swarm) {
		time.Sleep(10 * time.Second)
		var ends []net.Conn
		for range 3 * streamLimit {
			ours, theirs := newPipe(memberAddr(9), memberAddr(0))
			s.all[0].node.Stream(theirs)
			ends = append(ends, ours)
		}
		synctest.Wait()
		refused := 0
		for _, c := range ends {
			if _, err := c.Write([]byte{labelByte}); err != nil {
				refused++
			}
		}
		if refused != 2*streamLimit {
			t.Errorf("%d of %d refused", refused, len(ends))
		}
		time.Sleep(tcpTimeout + time.Second)
		for i, c := range ends {
			if _, err := c.Write([]byte{1}); err == nil {
				t.Fatalf("silent stream %d is open after its deadline", i)
			}
		}
		s.converged(s.all)
	})
}

func TestMembersThatCanNotBeAreRefused(t *testing.T) {
	n := New(testConfig(0))
	other := testConfig(1)
	other.Meta.Swarm[7]++
	good := func() *memberlist.Node {
		return &memberlist.Node{
			Name: "x", Addr: net.IPv4(10, 0, 0, 1), Port: 1, Meta: testConfig(1).Meta.Append(nil),
			PMin: 1, PMax: 5, PCur: 2,
		}
	}
	if err := (delegate{n}).NotifyAlive(good()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*memberlist.Node){
		"no name":       func(m *memberlist.Node) { m.Name = "" },
		"control name":  func(m *memberlist.Node) { m.Name = "a\x1b[2J" },
		"long name":     func(m *memberlist.Node) { m.Name = string(bytes.Repeat([]byte{'n'}, 81)) },
		"odd address":   func(m *memberlist.Node) { m.Addr = []byte{1, 2, 3} },
		"no address":    func(m *memberlist.Node) { m.Addr = nil },
		"any address":   func(m *memberlist.Node) { m.Addr = net.IPv4zero },
		"any v6":        func(m *memberlist.Node) { m.Addr = net.IPv6zero },
		"multicast":     func(m *memberlist.Node) { m.Addr = net.IPv4allsys },
		"port":          func(m *memberlist.Node) { m.Port = 0 },
		"no meta":       func(m *memberlist.Node) { m.Meta = nil },
		"another swarm": func(m *memberlist.Node) { m.Meta = other.Meta.Append(nil) },
		"protocol":      func(m *memberlist.Node) { m.PCur = 3 },
		"range":         func(m *memberlist.Node) { m.PMin = 3 },
		"delegate":      func(m *memberlist.Node) { m.DMin, m.DCur = 1, 1 },
	} {
		m := good()
		spoil(m)
		if err := (delegate{n}).NotifyAlive(m); err == nil {
			t.Error("admitted: " + name)
		}
	}
	self := good()
	self.Name, self.Meta = n.cfg.Member, nil
	if err := (delegate{n}).NotifyAlive(self); err != nil {
		t.Error("refused ourselves:", err)
	}
}

func TestOnlyAddressesReachTheNet(t *testing.T) {
	n := New(testConfig(0))
	for _, addr := range []string{"", "host:1", "1.2.3.4", "[fe80::1%eth0]:1", "?030303:1", "0.0.0.0:1", "1.2.3.4:0"} {
		if _, err := n.transport.WriteTo(nil, addr); !errors.Is(err, errAddr) {
			t.Errorf("WriteTo %q: %v", addr, err)
		}
		if _, err := n.transport.DialTimeout(addr, time.Second); !errors.Is(err, errAddr) {
			t.Errorf("DialTimeout %q: %v", addr, err)
		}
	}
	n.Join([]netip.AddrPort{
		{},
		n.cfg.Advertise, netip.MustParseAddrPort("[fe80::1%eth0]:1"), netip.MustParseAddrPort("1.2.3.4:5"),
		netip.MustParseAddrPort("[::ffff:1.2.3.4]:5"),
	})
	if got := len(n.targets.all); got != 1 {
		t.Errorf("%d targets", got)
	}
}
