package bundle

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"newsletter/internal/local/gobuild"
)

// MaxBinary is the size budget of a stripped arm64 binary (docs/adr/0002).
const MaxBinary = 16 << 20

// Binary is a function as it is deployed.
type Binary struct {
	Function string
	Bytes    int64
	// ReflectMethod is set if the binary looks up methods by a name that is known only at run time. The linker must
	// then keep every exported method of every type, which costs 7 to 12 MiB.
	ReflectMethod bool
	// Calls are the IAM actions of the AWS operations that it links, such as "ses:SendEmail".
	Calls []string
}

// Build builds a function for arm64 into dir as it is deployed, and reads the linker's dependency graph.
func Build(root, function, dir string) (Binary, error) {
	out := filepath.Join(dir, function, "bootstrap")
	var graph bytes.Buffer
	cmd := exec.Command("go", slices.Concat([]string{"build"}, gobuild.DeployedFlags(), []string{"-ldflags=" + gobuild.LinkerFlags + " -dumpdep", "-o", out, "./functions/" + function})...)
	cmd.Dir, cmd.Env, cmd.Stderr = root, gobuild.DeployedEnv("arm64"), &graph
	if err := cmd.Run(); err != nil {
		return Binary{}, fmt.Errorf("build functions/%s: %w\n%s", function, err, graph.Bytes()[max(0, graph.Len()-tailBytes):])
	}
	info, err := os.Stat(out)
	if err != nil {
		return Binary{}, err
	}
	return Binary{function, info.Size(), bytes.Contains(graph.Bytes(), []byte("<ReflectMethod>")), calls(graph.Bytes())}, nil
}

// tailBytes limits the output in an error.
const tailBytes = 4096

// operation matches a linked method of a service's client, or the function that signs a token for a database. Only
// operations are methods of a client, except Options.
var operation = regexp.MustCompile(`(?m)-> github\.com/aws/aws-sdk-go-v2/(?:service/([a-z0-9]+)\.\(\*Client\)\.([A-Z]\w+)|feature/rds/auth\.(BuildAuthToken))(?:[ <]|$)`)

// actions maps operations whose IAM action has another name. An operation without an action is called by the client
// itself: S3's for directory buckets only.
var actions = map[string]string{
	"rds-db:BuildAuthToken": "rds-db:connect", "sesv2:SendEmail": "ses:SendEmail", "s3:ListObjectsV2": "s3:ListBucket", "s3:CreateSession": "",
}

// calls returns the IAM actions of the operations in a dependency graph. The linker omits methods that nothing calls.
func calls(graph []byte) []string {
	var all []string
	for _, found := range operation.FindAllSubmatch(graph, -1) {
		name := string(found[1]) + ":" + string(found[2])
		if len(found[3]) > 0 {
			name = "rds-db:" + string(found[3])
		}
		if action, other := actions[name]; other {
			name = action
		}
		if name != "" && string(found[2]) != "Options" {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
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

// Table formats the sizes of binaries and their budget.
func Table(binaries []Binary) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-14s %10s %10s\n", "function", "MiB", "budget")
	for _, binary := range binaries {
		fmt.Fprintf(&b, "%-14s %10.2f %10d\n", binary.Function, float64(binary.Bytes)/(1<<20), MaxBinary>>20)
	}
	return b.String()
}
