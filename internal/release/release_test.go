package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

const root = "../.."

// TestNoticesAreCurrent: the committed files are what the modules' licences say now.
func TestNoticesAreCurrent(t *testing.T) {
	t.Chdir(root)
	for args, name := range map[string]string{"third-party": "packaging/THIRD_PARTY", "copyright": "packaging/copyright"} {
		var now bytes.Buffer
		if err := run(&now, []string{args}); err != nil {
			t.Fatal(err)
		}
		committed, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(now.Bytes(), committed) {
			t.Errorf("%s is out of date: make notices", name)
		}
	}
}

// TestEveryModuleHasAnOwner: no licence lost its copyright line, but for two that name nobody.
func TestEveryModuleHasAnOwner(t *testing.T) {
	modules, err := linked(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(modules) < 20 {
		t.Errorf("only %d modules", len(modules))
	}
	for _, m := range modules {
		nobody := m.license == "Apache-2.0" || m.license == "CC0-1.0"
		if len(m.copyright) == 0 && !nobody && !strings.Contains(m.path, "hashicorp") {
			t.Errorf("%s: no copyright line under %s", m.path, m.license)
		}
	}
}

// TestSBOM: this test binary's own; each module with version, checksum and licence.
func TestSBOM(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := sbom(&out, exe, nil); err != nil {
		t.Fatal(err)
	}
	var b bom
	if err := json.Unmarshal(out.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || len(b.Components) == 0 || !strings.HasPrefix(b.Components[0].Purl, "pkg:golang/std@1.") {
		t.Errorf("%+v", b)
	}
}

func TestUnknownLicense(t *testing.T) {
	dir := t.TempDir()
	m := module{path: "example.com/m"}
	if err := m.read(dir); err == nil {
		t.Error("no licence at all was accepted")
	}
	if err := os.WriteFile(dir+"/LICENSE", []byte("Copyright 2026 Somebody\n\nAll rights reserved.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.read(dir); err == nil {
		t.Errorf("accepted as %q", m.license)
	}
}
