package cmd

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the release build: -ldflags "-X p2pcp/cmd.version=... -X p2pcp/cmd.commit=... -X p2pcp/cmd.date=...".
var (
	version string
	commit  string
	date    string
)

// protocolVersion is that of docs/PROTOCOL.md.
const protocolVersion = 1

// pushVersion is that of what push asks of the p2pcp on a host (internal/fleet's bootstrap.sh, pushOrders, the messages of get --json).
// push sends its own program to a host whose p2pcp has another.
const pushVersion = 1

// versionMessage is the build in JSON.
type versionMessage struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"` // of the commit
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Protocol int    `json:"protocol"`
	Push     int    `json:"push"` // pushVersion
}

// buildVersion takes what the release build set, else what the Go command noted.
func buildVersion() versionMessage {
	v := versionMessage{
		Version: version, Commit: commit, Date: date,
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Protocol: protocolVersion, Push: pushVersion,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v.Version == "" && info.Main.Version != "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && v.Commit == "":
				v.Commit = s.Value
			case s.Key == "vcs.time" && v.Date == "":
				v.Date = s.Value
			}
		}
	}
	if v.Version == "" {
		v.Version = "devel"
	}
	return v
}

// String is the line of 'p2pcp version'.
func (v versionMessage) String() string {
	s := fmt.Sprintf("p2pcp %s (protocol %d, %s/%s, %s", v.Version, v.Protocol, v.OS, v.Arch, v.Go)
	if v.Commit != "" {
		s += ", commit " + v.Commit[:min(12, len(v.Commit))]
	}
	return s + ")"
}

func newVersionCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  wantArgs(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			return a.result(v.String(), v)
		},
	}
}
