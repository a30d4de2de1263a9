package gossip

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

func TestMetaBytes(t *testing.T) {
	m := Meta{Role: Receiver, State: Complete, Zone: 0x01020304, Swarm: [8]byte{0xa0, 1, 2, 3, 4, 5, 6, 0xa7}}
	const want = "0102020001020304a0010203040506a7"
	if got := hex.EncodeToString(m.Append(nil)); got != want {
		t.Errorf("Append gives %s, want %s", got, want)
	}
	if got, err := ParseMeta(m.Append(nil)); got != m || err != nil {
		t.Errorf("ParseMeta gives %v, %v", got, err)
	}
	if got := m.Append([]byte("x")); got[0] != 'x' || len(got) != 1+MetaLen {
		t.Errorf("Append to something gives %x", got)
	}
}

func TestMetaOutOfRange(t *testing.T) {
	good := Meta{Role: Seed, State: Leaving}.Append(nil)
	for name, spoil := range map[string]func([]byte) []byte{
		"empty":    func([]byte) []byte { return nil },
		"short":    func(b []byte) []byte { return b[:MetaLen-1] },
		"long":     func(b []byte) []byte { return append(b, 0) },
		"version":  func(b []byte) []byte { b[0] = 2; return b },
		"no role":  func(b []byte) []byte { b[1] = 0; return b },
		"role":     func(b []byte) []byte { b[1] = 3; return b },
		"no state": func(b []byte) []byte { b[2] = 0; return b },
		"state":    func(b []byte) []byte { b[2] = 4; return b },
		"reserved": func(b []byte) []byte { b[3] = 1; return b },
	} {
		if m, err := ParseMeta(spoil(bytes.Clone(good))); !errors.Is(err, ErrMeta) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

func FuzzParseMeta(f *testing.F) {
	f.Add(Meta{Role: Seed, State: Complete}.Append(nil))
	f.Add(Meta{Role: Receiver, State: Leaving, Zone: 1 << 31, Swarm: [8]byte{255}}.Append(nil))
	f.Add([]byte{1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMeta(b)
		if err == nil && !bytes.Equal(m.Append(nil), b) {
			t.Errorf("%x became %x", b, m.Append(nil))
		}
	})
}
