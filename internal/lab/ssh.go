package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	sshDir    = Shared + "/ssh"
	sshdWait  = 10 * time.Second
	sshdCheck = 10 * time.Millisecond
)

// sshConfig is the client's: any host of the Lab, as root, without questions.
const sshConfig = `Host *
	User root
	IdentityFile ` + sshDir + `/client
	IdentitiesOnly yes
	BatchMode yes
	StrictHostKeyChecking no
	UserKnownHostsFile /dev/null
	GlobalKnownHostsFile /dev/null
	ConnectTimeout 5
	LogLevel ERROR
`

// sshdConfig is every server's. SetEnv gives sessions what Command gives.
const sshdConfig = `Port 22
HostKey ` + sshDir + `/host
AuthorizedKeysFile ` + sshDir + `/client.pub
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
UseDNS no
PidFile none
PrintMotd no
PrintLastLog no
MaxStartups 1000
MaxSessions 1000
LogLevel ERROR
SetEnv HOME=` + own + `/home TMPDIR=` + own + `/tmp XDG_RUNTIME_DIR=` + own + `/user
Subsystem sftp internal-sftp
`

// SSHConfig is the configuration for `ssh -F` (pdsh, clush, ansible) in a host or the hub. It is there once a SSHD has been started.
func (l *Lab) SSHConfig() string { return sshDir + "/config" }

// SSHD starts an ssh server in the host and returns when it listens. It runs until Close.
func (h *Host) SSHD(ctx context.Context) error {
	if err := h.lab.makeKeys(); err != nil {
		return err
	}
	cmd := h.Command(context.WithoutCancel(ctx), "/usr/sbin/sshd", "-D", "-e", "-f", sshDir+"/sshd")
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start sshd: %w", err)
	}
	for end := time.Now().Add(sshdWait); ; {
		listens, err := h.Listens(22)
		if err == nil && listens {
			break
		}
		if err == nil && time.Now().After(end) {
			err = errors.New("it doesn't listen")
		}
		if err == nil && ctx.Err() != nil {
			err = ctx.Err()
		}
		if err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			return fmt.Errorf("start sshd in %s: %w: %s", h.Name(), err, strings.TrimSpace(said.String()))
		}
		time.Sleep(sshdCheck)
	}
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	h.lab.servers = append(h.lab.servers, cmd)
	return nil
}

// makeKeys makes the keys and configurations, once.
func (l *Lab) makeKeys() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys {
		return nil
	}
	if err := os.MkdirAll(l.hub.path(sshDir), 0o700); err != nil {
		return fmt.Errorf("make ssh files: %w", err)
	}
	for name, content := range map[string]string{"config": sshConfig, "sshd": sshdConfig} {
		if err := os.WriteFile(l.hub.path(sshDir+"/"+name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("make ssh files: %w", err)
		}
	}
	for _, name := range []string{"host", "client"} {
		if err := l.hub.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", sshDir+"/"+name); err != nil {
			return fmt.Errorf("make ssh keys: %w", err)
		}
	}
	l.keys = true
	return nil
}

// Listens tells whether somebody in the host listens on a TCP port of any IPv4 address.
func (h *Host) Listens(port uint16) (bool, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", h.space.pid()))
	if err != nil {
		return false, fmt.Errorf("read sockets: %w", err)
	}
	const listen = "0A"
	local := fmt.Sprintf("00000000:%04X", port)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 3 && f[1] == local && f[3] == listen {
			return true, nil
		}
	}
	return false, nil
}
