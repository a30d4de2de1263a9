package docs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"p2pcp/internal/lab"
)

// tourBlock is a block of the README that shows commands and what they print.
var tourBlock = regexp.MustCompile("(?ms)^```console tour\n(.*?)^```$")

// tourHosts is how many hosts the tour has: the first is where the reader is.
const tourHosts = 9

// tourSetup makes what the tour begins with: the same bytes and times, and so the same hashes, every time.
const tourSetup = `mkdir model
seq 100000000 | head -c 256M >model/weights.bin
echo '{"layers": 80}' >model/config.json
touch -d 2026-01-01T00:00:00Z model/* model
chmod 755 model; chmod 644 model/*
mkdir /run/tour
printf '#!/bin/sh\nexec /usr/bin/ssh -F %s -o KexAlgorithms=curve25519-sha256 "$@"\n' "$1" >/run/tour/ssh
chmod +x /run/tour/ssh
ln -s "$2" /run/tour/p2pcp
`

// TestE2ETour runs the README's tour on hosts of its own, and compares what is printed with what stands there, but for times, sizes,
// rates, processes and keys. With P2PCP_TOUR=write it is written there instead (make tour).
func TestE2ETour(t *testing.T) {
	if os.Getenv("P2PCP_E2E") != "1" {
		t.Skip("P2PCP_E2E is not set: run make e2e or make tour as root")
	}
	page := filepath.Join(root, "README.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := tourBlock.FindAllSubmatchIndex(text, -1)
	var commands []string
	for _, m := range blocks {
		for line := range strings.Lines(string(text[m[2]:m[3]])) {
			if c, ok := strings.CutPrefix(line, "$ "); ok {
				commands = append(commands, strings.TrimSuffix(c, "\n"))
			}
		}
	}
	if len(commands) == 0 {
		t.Fatal("README.md has no tour")
	}
	write := os.Getenv("P2PCP_TOUR") == "write"
	printed := runTour(t, commands, write)
	var b strings.Builder
	done := 0
	for _, m := range blocks {
		b.Write(text[done:m[2]])
		for line := range strings.Lines(string(text[m[2]:m[3]])) {
			if strings.HasPrefix(line, "$ ") {
				b.WriteString(line + printed[0])
				printed = printed[1:]
			}
		}
		done = m[3]
	}
	b.Write(text[done:])
	if write {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	shown, now := strings.Split(string(text), "\n"), strings.Split(b.String(), "\n")
	for i, line := range shown {
		if i >= len(now) || shape(now[i]) != shape(line) {
			t.Fatalf("the README's tour isn't what is printed; make tour writes it anew. Shown from line %d on:\n%s\nprinted:\n%s", i+1,
				strings.Join(shown[i:min(i+5, len(shown))], "\n"), strings.Join(now[min(i, len(now)):min(i+5, len(now))], "\n"))
		}
	}
}

// runTour runs the commands in one shell of the first host, and returns what each has printed. Then it takes pictures, if it shall.
func runTour(t *testing.T, commands []string, pictures bool) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	l, err := lab.New(lab.Config{Hosts: tourHosts, Rate: 200 * lab.Mbit})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	for i := 1; i <= tourHosts; i++ {
		if err := l.Host(i).SSHD(ctx); err != nil {
			t.Fatal(err)
		}
		if i > 1 { // where nothing is installed
			if _, err := l.Host(i).Run(ctx, "mount", "-t", "tmpfs", "lab", "/usr/local/bin"); err != nil {
				t.Fatal(err)
			}
		}
	}
	script := tourSetup + "export PATH=/run/tour:$PATH; exec 2>&1\n"
	for _, c := range commands {
		script += "printf '\\001'\n" + c + "\n"
	}
	p, err := l.Host(1).Start(ctx, "bash", "-c", script, "tour", l.SSHConfig(), os.Getenv("P2PCP_BIN"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, p.Out)
	}
	out := strings.Split(ticket.ReplaceAllString(p.Out.String(), "${1}..."), "\x01")
	if len(out) != 1+len(commands) {
		t.Fatalf("%d commands, %d outputs", len(commands), len(out)-1)
	}
	if pictures {
		takePictures(ctx, t, l)
	}
	return out[1:]
}

// A terminal for the picture of a push.
const (
	pictureColumns = 92
	pictureLines   = 16
)

// pictureScript shows a push in a terminal, to a host more than there are and with one of them slow, and takes a picture of it on the
// way; then it reports such a transfer.
const pictureScript = `export PATH=/run/tour:$PATH LC_ALL=C.UTF-8 TMUX_TMPDIR=/run/tour
cd /mnt
T="tmux -L tour -f /dev/null"
$T new-session -d -x "$1" -y "$2" "PS1='$ ' sh"
$T set -g status off
clush -q -w 'node[2-9]' 'rm -r /mnt/*'
$T send-keys "p2pcp push model/ 'node[2-10]' -o /mnt/pictured/" Enter
sleep 8
$T capture-pane -e -p >/media/push.txt
until $T capture-pane -p | grep -q '^unreachable'; do sleep 1; done
$T kill-server
T=$(p2pcp seed -q -d model/)
clush -q -w 'node[2-9]' "p2pcp get -q $T -o /mnt/reported/" >/media/got.txt
p2pcp report -q $T -o /media/report.html
p2pcp stop --all
`

// takePictures writes docs/pictures/push.svg, and bin/report.html, of which make tour takes one.
func takePictures(ctx context.Context, t *testing.T, l *lab.Lab) {
	t.Helper()
	if err := l.Host(7).SetRate(100 * lab.Mbit); err != nil {
		t.Fatal(err)
	}
	_, err := l.Host(1).Run(ctx, "bash", "-euc", pictureScript, "pictures", fmt.Sprint(pictureColumns), fmt.Sprint(pictureLines))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(l.Host(1).Path(lab.Shared + "/report.html"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin", "report.html"), page, 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(l.Host(1).Path(lab.Shared + "/push.txt"))
	if err != nil {
		t.Fatal(err)
	}
	svg := drawTerminal(string(text), pictureColumns)
	if err := os.WriteFile(filepath.Join(root, "docs", "pictures", "push.svg"), []byte(svg), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What differs from run to run.
var (
	ticket  = regexp.MustCompile(`(p2pcp1[a-z2-7]{24})[a-z2-7]+`)
	varying = regexp.MustCompile(`/p2pcp [0-9a-f]{8}|p2pcp1[a-z2-7]+|node1-[0-9a-f]+|([0-9]+m)?[0-9.]+ ?([KMGT]iB|[mμ]?s|B)\b|:[0-9]{5}\b|pid [0-9]+|[0-9.]+ copies|#[0-9]+|  +|[0-9]+%`)
)

// shape is a text without what differs from run to run.
func shape(s string) string { return varying.ReplaceAllString(s, " ~ ") }

func TestShape(t *testing.T) {
	const shown = "node[2-9] (8) changed, slowest 11.5s\nseed node1 up 12.3 KiB/s  sent 1.00 copies"
	for other, same := range map[string]bool{
		"node[2-9] (8) changed, slowest 1m2s\nseed node1 up 0 B/s   sent 1.31 copies":       true,
		"node[2-8] (7) changed, slowest 11.5s\nseed node1 up 12.3 KiB/s  sent 1.00 copies":  false,
		"node[2-9] (8) complete, slowest 11.5s\nseed node1 up 12.3 KiB/s  sent 1.00 copies": false,
	} {
		if (shape(other) == shape(shown)) != same {
			t.Errorf("%q", other)
		}
	}
}
