package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

// CVE-2026-71310 (rclone), the unbounded messages of croc in 2026: a length that is believed is allocated. Here it has a limit for each
// type, checked before anything is read; 4 MiB is the most, and only of a first frame or a report.
func TestCVE_2026_71310_LengthsAreBounded(t *testing.T) {
	for n := range 256 {
		for _, length := range []uint32{4<<20 + 1, 1 << 24, 1 << 31, 1<<32 - 1} {
			head := append(binary.BigEndian.AppendUint32(nil, length), byte(n))
			allocated := testing.AllocsPerRun(1, func() {
				_, p, err := ReadFrame(io.MultiReader(bytes.NewReader(head), endless{}), nil)
				if !errors.Is(err, ErrProtocol) || p != nil {
					t.Errorf("type %d, %d bytes: %v", n, length, err)
				}
			})
			if allocated > 20 { // of the error
				t.Errorf("type %d, %d bytes: %.0f allocations", n, length, allocated)
			}
		}
	}
}

// endless gives zeros for ever.
type endless struct{}

func (endless) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// CVE-2021-21404 (syncthing): a negative length crashed a relay. CVE-2025-59351 (Dragonfly): a part that was missing did. Every message,
// cut short anywhere and with any byte at its extremes, is an error and no panic.
func TestCVE_2021_21404_2025_59351_ExtremeFields(t *testing.T) {
	for _, frame := range readVectors(t) {
		if len(frame) < HeadSize {
			continue
		}
		kind, payload := Type(frame[4]), frame[HeadSize:]
		for at := range payload {
			parseAny(kind, payload[:at])
			for _, extreme := range []byte{0, 0x7f, 0x80, 0xff} {
				for _, width := range []int{1, 2, 4, 8, 10} {
					bad := bytes.Clone(payload)
					for k := at; k < min(at+width, len(bad)); k++ {
						bad[k] = extreme
					}
					parseAny(kind, bad)
				}
			}
		}
	}
}

// parseAny parses a payload as what it says it is.
func parseAny(kind Type, p []byte) {
	switch kind {
	case THello:
		_, _ = ParseHello(p, nil)
	case THave:
		_, _ = ParseHave(nil, p)
	case TAsk:
		_, _ = ParseRequest(p)
	case TRefuse:
		_, _ = ParseRefuse(p)
	case TCancel:
		_, _ = ParseCancel(p)
	case TBlock:
		_, _ = ParseBlock(p, nil)
	case TPeers:
		_, _ = ParsePeers(p)
	case TTree:
		_, _ = ParseTree(p)
	case TNodes:
		_, _ = ParseNodes(p)
	case TResult:
		_, _ = ParseResult(p)
	case TReport:
		_, _ = ParseReport(p)
	default:
		_, _ = ParseIndex(p)
		_, _ = ParseByte(p)
	}
}

// CVE-2026-54637 (Dragonfly): a host name that a peer supplied was looked up and fetched from. An address here is an IP's 4 or 16 bytes
// and a port; a name can't be said. CVE-2025-59352: a peer's request named a file. Here it is three numbers, 12 bytes.
func TestCVE_2026_54637_2025_59352_PeersNameNothing(t *testing.T) {
	for _, family := range []byte{0, 1, 2, 3, 5, 7, 16, 255} {
		p := append([]byte{0, 1, 0, 4}, "m-00"...)
		p = append(append(p, family), "169.254.169.254:80"...)
		if _, err := ParsePeers(p); !errors.Is(err, ErrProtocol) {
			t.Errorf("family %d: %v", family, err)
		}
	}
	for _, path := range []string{"/etc/passwd", "../../../x", strings.Repeat("x", 13)} {
		if _, err := ParseRequest([]byte(path)); len(path) != 12 && !errors.Is(err, ErrProtocol) {
			t.Errorf("%q is a request: %v", path, err)
		}
	}
}
