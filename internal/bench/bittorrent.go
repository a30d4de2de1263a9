package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"slices"
	"time"

	"p2pcp/internal/lab"
)

// torrentFile is where each host reads the torrent.
const torrentFile = lab.Shared + "/model.torrent"

// serveTorrent makes the torrent, once for a lab, starts a tracker and a client that has the file, and returns once the tracker
// knows that one.
func (s *stage) serveTorrent(ctx context.Context, client ...string) (string, []*lab.Proc, error) {
	at := s.host(0).Path(torrentFile)
	if _, err := os.Stat(at); err != nil {
		b, err := torrentOf(s.host(0).Path(s.path), fmt.Sprintf("http://%s:7602/announce", s.host(0).Addr()))
		if err != nil {
			return "", nil, fmt.Errorf("make torrent: %w", err)
		}
		if err := os.WriteFile(at, b, 0o644); err != nil {
			return "", nil, err
		}
	}
	tracker, err := s.role(ctx, s.host(0), "track :7602", true)
	if err != nil {
		return "", nil, err
	}
	p, err := s.host(0).Start(ctx, client[0], client[1:]...)
	if err != nil {
		return "", nil, err
	}
	for tracker.Out.When(seedKnown).IsZero() {
		select {
		case <-ctx.Done():
			return "", nil, fmt.Errorf("%w: %s%s", ctx.Err(), p.Out, p.Err)
		case <-p.Done():
			return "", nil, fmt.Errorf("it ended: %s%s", p.Out, p.Err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return "", []*lab.Proc{p}, nil
}

// python is the one that Debian's packages are for.
const python = "/usr/bin/python3"

//go:embed libtorrent.py
var libtorrentClient string

func libtorrentLine(role string, h *lab.Host) []string {
	return []string{python, "-c", libtorrentClient, role, torrentFile, lab.Scratch, h.Addr().String()}
}

func serveLibtorrent(ctx context.Context, s *stage) (string, []*lab.Proc, error) {
	return s.serveTorrent(ctx, libtorrentLine("seed", s.host(0))...)
}

func fetchLibtorrent(_ *stage, h *lab.Host, _ string) []string { return libtorrentLine("get", h) }

// aria2Line has what both sides have: TCP and our tracker alone, no limits.
var aria2Line = []string{
	"aria2c", "--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false",
	"--disable-ipv6=true", "--seed-ratio=0.0", "--bt-max-peers=0", "--bt-tracker-interval=1",
	"--file-allocation=none", "--disk-cache=64M", "--allow-overwrite=true", "--listen-port=7650",
	"--bt-request-peer-speed-limit=100M", "--summary-interval=0", "--show-console-readout=false", "--console-log-level=warn",
	"--async-dns=false", "--dir=" + lab.Scratch,
}

// aria2Hook is run by aria2 when a download is complete; its stdout is the receiver's.
const (
	aria2Hook   = lab.Shared + "/complete.sh"
	aria2Script = "#!/bin/sh\necho complete\n"
)

func serveAria2(ctx context.Context, s *stage) (string, []*lab.Proc, error) {
	if err := os.WriteFile(s.host(0).Path(aria2Hook), []byte(aria2Script), 0o755); err != nil {
		return "", nil, err
	}
	return s.serveTorrent(ctx, aria2With("--check-integrity=true")...)
}

func fetchAria2(*stage, *lab.Host, string) []string {
	return aria2With("--on-bt-download-complete=" + aria2Hook)
}

func aria2With(more ...string) []string { return append(slices.Concat(aria2Line, more), torrentFile) }
