package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// A bom is a CycloneDX document (https://cyclonedx.org/docs/1.5/json/), as much of it as we know.
type bom struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	Purl       string     `json:"purl,omitempty"`
	Licenses   []licensed `json:"licenses,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type licensed struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// sbom writes what a binary is linked with, as the Go command noted it there.
func sbom(w io.Writer, binary string, modules []module) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read what %s is made of: %w", binary, err)
	}
	b := bom{Format: "CycloneDX", Spec: "1.5", Version: 1}
	b.Metadata.Component = component{Type: "application", Ref: "p2pcp", Name: filepath.Base(binary), Licenses: spdx("Apache-2.0")}
	for _, s := range info.Settings {
		if s.Key == "GOOS" || s.Key == "GOARCH" || strings.HasPrefix(s.Key, "vcs") {
			b.Metadata.Component.Properties = append(b.Metadata.Component.Properties, property{"go:" + s.Key, s.Value})
		}
	}
	b.Components = []component{library("std", strings.TrimPrefix(info.GoVersion, "go"), "BSD-3-Clause")}
	licenses := map[string]string{}
	for _, m := range modules {
		licenses[m.path] = m.license
	}
	for _, dep := range info.Deps {
		id, ok := licenses[dep.Path]
		if !ok {
			return fmt.Errorf("%s is linked with %s, whose licence isn't among those of this source", binary, dep.Path)
		}
		c := library(dep.Path, dep.Version, id)
		c.Properties = []property{{"go:sum", dep.Sum}}
		b.Components = append(b.Components, c)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(b)
}

// library is a module, named as others name it (https://github.com/package-url/purl-spec).
func library(path, version, license string) component {
	purl := "pkg:golang/" + path + "@" + version
	return component{Type: "library", Ref: purl, Name: path, Version: version, Purl: purl, Licenses: spdx(license)}
}

// spdx lists licences that are joined by " AND ".
func spdx(licenses string) []licensed {
	var list []licensed
	for id := range strings.SplitSeq(licenses, " AND ") {
		var l licensed
		l.License.ID = id
		list = append(list, l)
	}
	return list
}
