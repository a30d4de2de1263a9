package seed

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLedgerCleansText(t *testing.T) {
	l := NewLedger()
	row, ok := l.Put(hostA, Result{
		State:  Failed,
		Member: strings.Repeat("m", 1000),
		Host:   "ho\x1b[2Jst\n\u202eevil",
		Target: "/ok ü 文\xff",
		Reason: strings.Repeat("é", 1000),
	})
	if !ok || row.Host != "ho\ufffd[2Jst\ufffd\ufffdevil" || row.Target != "/ok ü 文\ufffd" {
		t.Errorf("%+v", row)
	}
	if len(row.Member) != maxMember || len(row.Reason) != maxReason || !utf8.ValidString(row.Reason) {
		t.Errorf("lengths %d and %d", len(row.Member), len(row.Reason))
	}
}
