package gobuild

import (
	"os"
	"strings"
	"testing"
)

// The Makefile and the linter build with the flags of this package.
func TestMakefileBuildsTheSame(t *testing.T) {
	for file, want := range map[string]string{
		"../../../Makefile": "CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCH) GOFLAGS= go build " + strings.Join(DeployedFlags(), " ") +
			" -ldflags='" + LinkerFlags + "'\n",
		"../../../.golangci.yml": "build-tags: [" + Tags + "]\n",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.ReplaceAll(string(text), "\\\n\t", ""), want) {
			t.Errorf("%s does not contain %q", file, want)
		}
	}
}
