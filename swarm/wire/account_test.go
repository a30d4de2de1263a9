package wire

import "testing"

func TestStatusFlags(t *testing.T) {
	for _, c := range []struct {
		p    []byte
		want byte
		ok   bool
	}{{nil, 0, true}, {[]byte{1}, WithAccount, true}, {[]byte{0}, 0, false}, {[]byte{2}, 0, false}, {[]byte{1, 1}, 0, false}} {
		if got, err := ParseStatus(c.p); got != c.want || (err == nil) != c.ok {
			t.Errorf("%x: %d, %v", c.p, got, err)
		}
	}
}
