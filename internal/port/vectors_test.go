package port

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// readVectors reads values that a program with another BLAKE3 library and none of this code made from PROTOCOL.md.
func readVectors(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("../../docs/vectors/handshake.txt")
	if err != nil {
		t.Fatal(err)
	}
	vectors := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, digits, ok := strings.Cut(strings.TrimSpace(line), ": ")
		value, err := hex.DecodeString(digits)
		if !ok || err != nil || vectors[name] != nil {
			t.Fatalf("bad line %q", line)
		}
		vectors[name] = value
	}
	return vectors
}

// sample is one swarm's vectors: its Secrets, and the nonces of a dialer and a listener.
func sample(t testing.TB) (v map[string][]byte, s Secrets, dialer, listener nonce) {
	t.Helper()
	v = readVectors(t)
	s = Derive(v["secret/ticket"], [32]byte(v["id"]))
	return v, s, nonce(v["nonce/dialer"]), nonce(v["nonce/listener"])
}

// only finds one swarm.
func only(s Secrets) func([8]byte) (Secrets, bool) {
	return func(tag [8]byte) (Secrets, bool) { return s, tag == s.Tag }
}

// swarm makes Secrets that differ by n.
func swarm(n byte) Secrets { return Derive(bytes.Repeat([]byte{n}, 16), [32]byte{n}) }

func TestDeriveVectors(t *testing.T) {
	v := readVectors(t)
	for _, form := range []string{"ticket", "file"} {
		s := Derive(v["secret/"+form], [32]byte(v["id"]))
		for name, got := range map[string][]byte{
			"tag": s.Tag[:], "session": s.Session[:], "gossip key": s.GossipKey[:], "label": []byte(s.Label),
		} {
			if want := v[name+"/"+form]; !bytes.Equal(got, want) {
				t.Errorf("%s of a %s is %x, want %x", name, form, got, want)
			}
		}
	}
}

func TestDeriveDependsOnSecretAndID(t *testing.T) {
	secret := make([]byte, 16)
	base := Derive(secret, [32]byte{})
	if Derive(secret, [32]byte{31: 1}) == base || Derive(append(secret[:15:15], 1), [32]byte{}) == base {
		t.Error("another ID or secret gives the same keys")
	}
	for _, n := range []int{0, 15, 17, 31, 33} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a secret of %d bytes is taken", n)
				}
			}()
			Derive(make([]byte, n), [32]byte{})
		}()
	}
}

func TestMessageVectors(t *testing.T) {
	v, s, dialer, listener := sample(t)
	for name, kind := range map[string]Kind{"session": Session, "gossip": Gossip, "observer": Observer} {
		m1 := message1(&s, version, kind, dialer)
		m2 := message2(&s, m1, version, statusGoOn, listener)
		m3 := message3(&s, m1, m2)
		for n, got := range map[string][]byte{"1": m1[:], "2": m2[:], "3": m3[:]} {
			if want := v["message "+n+"/"+name]; !bytes.Equal(got, want) {
				t.Errorf("message %s of a %s is %x, want %x", n, name, got, want)
			}
		}
	}
	for name, got := range map[string][pingSize]byte{
		"request":                      ping(&s, pingRequest, dialer, netip.AddrPort{}),
		"reply to 192.0.2.7:40000":     ping(&s, pingReply, dialer, netip.MustParseAddrPort("192.0.2.7:40000")),
		"reply to [2001:db8::7]:40000": ping(&s, pingReply, dialer, netip.MustParseAddrPort("[2001:db8::7]:40000")),
	} {
		if want := v["ping/"+name]; !bytes.Equal(got[:], want) {
			t.Errorf("ping %s is %x, want %x", name, got, want)
		}
	}
}
