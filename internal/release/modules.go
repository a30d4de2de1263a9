package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// systems are those that p2pcp is released for: each may link modules of its own.
var systems = []string{"linux", "darwin", "freebsd"}

// module is one that the program is linked with.
type module struct {
	path, version string
	license       string   // SPDX's name, or several joined by " AND "
	copyright     []string // the lines of its licence that say whose it is
	text          string   // its licence without those lines
	notice        string   // its NOTICE file, which Apache-2.0 wants passed on
}

// linked lists the modules that the program in dir is linked with on any system, sorted by path, and Go's own library.
func linked(dir string) ([]module, error) {
	found := map[string]string{} // "path version" -> where the module lies
	for _, system := range systems {
		list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", "p2pcp")
		list.Dir = dir
		list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system)
		list.Stderr = os.Stderr
		out, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("list modules: %w", err)
		}
		for line := range strings.Lines(string(out)) {
			if name, where, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
				found[name] = where
			}
		}
	}
	var modules []module
	for name, where := range found {
		path, version, _ := strings.Cut(name, " ")
		m := module{path: path, version: version}
		if err := m.read(where); err != nil {
			return nil, err
		}
		modules = append(modules, m)
		if path == "golang.org/x/sys" { // under the same licence, word for word; where Go lies, its licence need not
			m.path, m.version = "std", ""
			modules = append(modules, m)
		}
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return modules, nil
}

// kinds tell a licence by words that no other one has.
var kinds = []struct{ words, license string }{
	{"Mozilla Public License, version 2.0", "MPL-2.0"},
	{"Mozilla Public License Version 2.0", "MPL-2.0"},
	{"Apache License Version 2.0", "Apache-2.0"},
	{"CC0 1.0 Universal", "CC0-1.0"},
	{"Redistribution and use in source and binary forms", "BSD-3-Clause"},
	{"Permission is hereby granted, free of charge", "MIT"},
}

var (
	ownerLine = regexp.MustCompile(`^\s*Copyright (\([cC]\)|©|\d{4}|.*\d{4})`)
	space     = regexp.MustCompile(`\s+`)
)

// read takes the module's licence from its directory. An unknown one is an error: somebody has to read it.
func (m *module) read(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "LICENSE*"))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("find the licence of %s: %d files (%v)", m.path, len(files), err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		return fmt.Errorf("read a licence: %w", err)
	}
	if notice, err := os.ReadFile(filepath.Join(dir, "NOTICE")); err == nil {
		m.notice = string(notice)
	}
	var text strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(string(raw), "\r\n", "\n")) {
		if ownerLine.MatchString(line) {
			m.copyright = append(m.copyright, strings.TrimSpace(line))
			continue
		}
		text.WriteString(strings.TrimRight(line, " \t\n") + "\n")
	}
	m.text = strings.Trim(text.String(), "\n") + "\n"
	words := space.ReplaceAllString(m.text, " ")
	var licenses []string
	for _, k := range kinds {
		if strings.Contains(words, k.words) {
			licenses = append(licenses, k.license)
		}
	}
	m.license = strings.Join(licenses, " AND ")
	if m.license != "" {
		return nil
	}
	return fmt.Errorf("the licence of %s isn't known: read %s", m.path, files[0])
}

// source is where the module's source can be had, which MPL-2.0 wants told.
func (m module) source() string {
	if m.version == "" {
		return "https://go.dev/dl/"
	}
	upper := regexp.MustCompile(`[A-Z]`)
	return "https://proxy.golang.org/" + upper.ReplaceAllStringFunc(m.path, func(s string) string { return "!" + strings.ToLower(s) }) +
		"/@v/" + m.version + ".zip"
}

// byText groups modules whose licences are the same but for white space and whose they are; the groups are in the order of their first modules.
func byText(modules []module) [][]module {
	var groups [][]module
	at := map[string]int{}
	for _, m := range modules {
		key := space.ReplaceAllString(m.text, "")
		i, ok := at[key]
		if !ok {
			i = len(groups)
			at[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], m)
	}
	return groups
}
