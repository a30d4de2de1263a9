package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// thirdParty writes the licences of all modules, each text once.
func thirdParty(w io.Writer, modules []module) error {
	b := bufio.NewWriter(w)
	fmt.Fprint(b, "p2pcp is under the Apache License 2.0. The program is linked with what is listed here, each under its own licence; the source of\n"+
		"each, unchanged, is at the address beside it. Written by `make notices`.\n")
	for _, group := range byText(modules) {
		fmt.Fprintf(b, "\n%s\n%s\n\n", strings.Repeat("=", 100), group[0].license)
		for _, m := range group {
			fmt.Fprintf(b, "%s\n    %s\n", strings.TrimSpace(m.path+" "+m.version), m.source())
			for _, line := range m.copyright {
				fmt.Fprintf(b, "    %s\n", line)
			}
			for line := range strings.Lines(m.notice) {
				fmt.Fprintf(b, "    %s\n", strings.TrimRight(line, " \t\n"))
			}
		}
		fmt.Fprintf(b, "%s\n%s", strings.Repeat("-", 100), group[0].text)
	}
	return b.Flush()
}

// common are the licences whose text every Debian has.
var common = map[string]bool{"Apache-2.0": true, "MPL-2.0": true, "CC0-1.0": true}

// debianCopyright writes the modules' licences in Debian's machine-readable form, version 1.0.
func debianCopyright(w io.Writer, modules []module) error {
	b := bufio.NewWriter(w)
	fmt.Fprint(b, `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: p2pcp
Comment: The program is linked with the modules below, unchanged; beside each version is where its source is. Written by "make notices".

Files: *
Copyright: the p2pcp authors
License: Apache-2.0
`)
	written := map[string]bool{}
	var texts strings.Builder
	license(&texts, "Apache-2.0", "Apache-2.0", "")
	written["Apache-2.0"] = true
	count := map[string]int{}
	for _, group := range byText(modules) {
		kind := strings.ReplaceAll(group[0].license, " AND ", "-and-")
		name := kind
		if !common[kind] { // the same licence in other words has another name
			if count[kind]++; count[kind] > 1 {
				name = fmt.Sprintf("%s-%d", kind, count[kind])
			}
		}
		stanza(b, group, name)
		if !written[name] {
			license(&texts, kind, name, group[0].text)
			written[name] = true
		}
	}
	b.WriteString(texts.String())
	return b.Flush()
}

// stanza says whose a group of modules is.
func stanza(w io.Writer, group []module, license string) {
	fmt.Fprint(w, "\nFiles:\n")
	for _, m := range group {
		fmt.Fprintf(w, " %s/*\n", m.path)
	}
	fmt.Fprint(w, "Copyright:\n")
	owners := 0
	for _, m := range group {
		for _, line := range m.copyright {
			fmt.Fprintf(w, " %s\n", line)
			owners++
		}
	}
	if owners == 0 {
		fmt.Fprint(w, " the authors of these modules\n")
	}
	fmt.Fprintf(w, "License: %s\nComment:\n", license)
	for _, m := range group {
		fmt.Fprintf(w, " %s\n", strings.TrimSpace(m.version+" "+m.source()))
		for line := range strings.Lines(m.notice) {
			fmt.Fprintf(w, " %s\n", strings.TrimSpace(line))
		}
	}
}

// license writes a licence's paragraph: where Debian keeps it, or its text.
func license(w io.Writer, kind, name, text string) {
	fmt.Fprintf(w, "\nLicense: %s\n", name)
	if common[kind] {
		fmt.Fprintf(w, " On Debian systems the text is in /usr/share/common-licenses/%s.\n", kind)
		return
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\n"); line == "" {
			line = "."
		}
		fmt.Fprintf(w, " %s\n", line)
	}
}
