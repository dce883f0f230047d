package bundle

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"newsletter/internal/gobuild"
)

// MaxBinary is the size budget of a stripped arm64 binary (docs/adr/0002).
const MaxBinary = 16 << 20

// Binary is a function as it is deployed.
type Binary struct {
	Function string
	Bytes    int64
	// ReflectMethod is set if the binary looks up methods by a name that is known only at run time. The linker must then
	// keep every exported method of every type, which costs 7 to 12 MiB.
	ReflectMethod bool
}

// Build builds a function for arm64 into dir as it is deployed.
func Build(root, function, dir string) (Binary, error) {
	out := filepath.Join(dir, function, "bootstrap")
	graph := &scanner{text: []byte("<ReflectMethod>")}
	cmd := exec.Command("go", slices.Concat([]string{"build"}, gobuild.DeployedFlags(), []string{"-ldflags=" + gobuild.LinkerFlags + " -dumpdep", "-o", out, "./functions/" + function})...)
	cmd.Dir, cmd.Env, cmd.Stderr = root, gobuild.DeployedEnv("arm64"), graph
	if err := cmd.Run(); err != nil {
		return Binary{}, fmt.Errorf("build functions/%s: %w\n%s", function, err, graph.tail)
	}
	info, err := os.Stat(out)
	if err != nil {
		return Binary{}, err
	}
	return Binary{function, info.Size(), graph.found}, nil
}

// Problems returns the violations of the binary.
func (b Binary) Problems() []string {
	var problems problems
	if b.Bytes > MaxBinary {
		problems.add("functions/%s has %.1f MiB, the budget is %d MiB: list what it links with `go tool nm -size -sort size`",
			b.Function, float64(b.Bytes)/(1<<20), MaxBinary>>20)
	}
	if b.ReflectMethod {
		problems.add("functions/%s links ReflectMethod (text/template, html/template, a validator …), which disables dead-code elimination of methods: "+
			"find the importer with `go build -ldflags=-dumpdep ./functions/%s 2>&1 | grep ReflectMethod`", b.Function, b.Function)
	}
	return problems
}

// A scanner searches a stream for a text and keeps the last tailBytes bytes.
type scanner struct {
	text  []byte
	found bool
	tail  []byte
}

const tailBytes = 4096

func (s *scanner) Write(p []byte) (int, error) {
	joined := append(s.tail, p...)
	s.found = s.found || bytes.Contains(joined, s.text)
	s.tail = bytes.Clone(joined[max(0, len(joined)-tailBytes):])
	return len(p), nil
}

// Table formats the sizes of binaries and their budget.
func Table(binaries []Binary) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-14s %10s %10s\n", "function", "MiB", "budget")
	for _, binary := range binaries {
		fmt.Fprintf(&b, "%-14s %10.2f %10d\n", binary.Function, float64(binary.Bytes)/(1<<20), MaxBinary>>20)
	}
	return b.String()
}
