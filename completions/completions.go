// Package completions holds the shells' completion scripts as p2pcp generates them, for packages that install files without
// running the program. 'make completions' writes them anew; a test tells when they are out of date.
//
// Where a package puts them:
//
//	p2pcp.bash  /usr/share/bash-completion/completions/p2pcp
//	p2pcp.zsh   /usr/share/zsh/site-functions/_p2pcp (Debian: vendor-completions)
//	p2pcp.fish  /usr/share/fish/vendor_completions.d/p2pcp.fish
//	p2pcp.ps1   dot-sourced from a PowerShell profile
package completions

import "embed"

// Files are p2pcp.bash, p2pcp.zsh, p2pcp.fish and p2pcp.ps1.
//
//go:embed p2pcp.bash p2pcp.zsh p2pcp.fish p2pcp.ps1
var Files embed.FS
