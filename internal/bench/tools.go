package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"p2pcp/internal/lab"
)

// tool is a program that brings the file to the receivers, and how it is run: the case's way is a receiver's command line.
type tool struct {
	name  string
	ours  bool
	bin   string     // p2pcp's
	needs [][]string // commands that work where the tool is installed; they print its versions
	// serve starts the seed's side and returns once receivers may start; it returns what they are given, and what counts.
	serve func(ctx context.Context, s *stage) (link string, all []*lab.Proc, err error)
	fetch func(s *stage, h *lab.Host, link string) []string
	mark  string // in a receiver's stdout when it has all of it; "": it ends then
}

// others are the tools beside p2pcp, with settings that do them justice (docs/PERFORMANCE.md).
var others = map[string]tool{
	"nginx+curl": {
		needs: [][]string{{"nginx", "-v"}, {"curl", "--version"}}, serve: serveNginx,
		fetch: func(s *stage, _ *lab.Host, link string) []string { return []string{"curl", "-sS", "-o", s.path, link} },
	},
	"nginx+curl+b3sum": {
		needs: [][]string{{"nginx", "-v"}, {"curl", "--version"}, {"b3sum", "--version"}}, serve: serveNginx,
		fetch: func(s *stage, _ *lab.Host, link string) []string {
			return []string{"sh", "-c", fmt.Sprintf("curl -sS -o %s %s && b3sum %s", s.path, link, s.path)}
		},
	},
	"rsync": {
		needs: [][]string{{"rsync", "--version"}}, serve: serveRsync,
		fetch: func(s *stage, _ *lab.Host, link string) []string {
			return []string{"rsync", "--whole-file", "--inplace", link, s.path}
		},
	},
	"aria2": {needs: [][]string{{"aria2c", "--version"}}, serve: serveAria2, fetch: fetchAria2, mark: complete},
	"libtorrent": {
		needs: [][]string{{python, "-c", "import libtorrent; print('libtorrent', libtorrent.version)"}},
		serve: serveLibtorrent, fetch: fetchLibtorrent, mark: complete,
	},
	"bare copy": bare,
	"b3sum":     {needs: [][]string{{"b3sum", "--version"}}},
}

// complete is what a tool's receiver prints when it has all, if it doesn't end then.
const complete = "complete\n"

// ours is p2pcp.
func ours(bin string) tool {
	return tool{
		name: "p2pcp", ours: true, bin: bin, needs: [][]string{{bin, "version"}}, mark: `"message_type":"result"`,
		serve: func(ctx context.Context, s *stage) (string, []*lab.Proc, error) {
			line := slices.Concat([]string{"seed", s.path}, s.seedArgs, s.zones.args(s.host(0), s))
			seed, err := s.host(0).Start(ctx, bin, line...)
			if err != nil {
				return "", nil, err
			}
			ticket, err := seed.Line(time.Minute)
			return ticket, []*lab.Proc{seed}, err
		},
		fetch: func(s *stage, h *lab.Host, ticket string) []string {
			return slices.Concat([]string{bin, "get", ticket, "-o", lab.Scratch + "/", "--json"}, s.args, s.zones.args(h, s))
		},
	}
}

// missing tells why a tool can't be run here; nil if it can.
func (t tool) missing(ctx context.Context) error {
	for _, line := range t.needs {
		if err := exec.CommandContext(ctx, line[0], line[1:]...).Run(); err != nil {
			return fmt.Errorf("%s: %w", line[0], err)
		}
	}
	return nil
}

// version is what its programs say of themselves, a line each.
func (t tool) version(ctx context.Context) string {
	var all []string
	for _, line := range t.needs {
		out, err := exec.CommandContext(ctx, line[0], line[1:]...).CombinedOutput()
		if err != nil {
			continue
		}
		first, _, _ := strings.Cut(string(out), "\n")
		words := strings.Fields(strings.TrimPrefix(first, "nginx version: "))
		all = append(all, strings.Join(words[:min(len(words), 3)], " "))
	}
	return strings.Join(all, ", ")
}

// nginxConf has sendfile and a worker for each core, and no log.
const nginxConf = `user root;
worker_processes auto;
daemon off;
error_log stderr;
pid /run/tmp/nginx.pid;
events { worker_connections 1024; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	server { listen 7600; root ` + lab.Scratch + `; }
}
`

func serveNginx(ctx context.Context, s *stage) (string, []*lab.Proc, error) {
	conf := filepath.Join(lab.Scratch, "nginx.conf")
	if err := os.WriteFile(s.host(0).Path(conf), []byte(nginxConf), 0o644); err != nil {
		return "", nil, err
	}
	p, err := s.host(0).Start(ctx, "nginx", "-e", "stderr", "-c", conf)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("http://%s:7600/model.bin", s.host(0).Addr()), []*lab.Proc{p}, s.listening(ctx, p, 7600)
}

// rsyncConf is a daemon's that serves Scratch to anybody.
const rsyncConf = `use chroot = no
uid = root
gid = root
[scratch]
path = ` + lab.Scratch + `
`

func serveRsync(ctx context.Context, s *stage) (string, []*lab.Proc, error) {
	conf := filepath.Join(lab.Scratch, "rsyncd.conf")
	if err := os.WriteFile(s.host(0).Path(conf), []byte(rsyncConf), 0o644); err != nil {
		return "", nil, err
	}
	p, err := s.host(0).Start(ctx, "rsync", "--daemon", "--no-detach", "--port=7600", "--config="+conf)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("rsync://%s:7600/scratch/model.bin", s.host(0).Addr()), []*lab.Proc{p}, s.listening(ctx, p, 7600)
}

// listening waits until a process of the seed's host listens.
func (s *stage) listening(ctx context.Context, p *lab.Proc, port uint16) error {
	for {
		if ok, err := s.host(0).Listens(port); err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.Done():
			return fmt.Errorf("it ended: %s", p.Err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// closingMessage is the part of the closing message of `get --json` that is measured, bytes.
type closingMessage struct {
	Received, Sent, Control float64
	FromSeed                float64 `json:"from_seed"`
}

func closing(out string) (m closingMessage, err error) {
	for line := range strings.Lines(out) {
		if strings.Contains(line, `"outcome"`) {
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				return m, fmt.Errorf("get --json: %w", err)
			}
		}
	}
	return m, nil
}
