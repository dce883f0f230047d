package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRootsErrorNamesTheVariable(t *testing.T) {
	if roots, err := AddRoots(nil, "T_CA_FILE", ""); roots != nil || err != nil {
		t.Errorf("without a file: %v %v", roots, err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{text, text + ".absent"} {
		_, err := AddRoots(nil, "T_CA_FILE", file)
		if err == nil || !strings.HasPrefix(err.Error(), "T_CA_FILE: ") || strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
}
