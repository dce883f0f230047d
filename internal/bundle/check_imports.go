package bundle

import (
	"slices"
	"strings"
)

// layer is what a shared package may import of this module, and why no more.
type layer struct {
	may    []string // names of shared packages
	reason string
}

const (
	foundation = "everything stands on it, so it stands on nothing"
	domain     = "the domain stands on the ledger and the queue alone, and knows no technology but pgx"
	adapter    = "adapters never import each other; a function wires them"
)

// layers is the import table. A package that is not listed may import the foundation alone.
var layers = map[string]layer{
	"awssdk":       {nil, foundation},
	"config":       {[]string{"awssdk"}, foundation},
	"capture":      {[]string{"config"}, adapter},
	"httpapi":      {[]string{"config", "capture"}, adapter},
	"histogram":    {nil, foundation},
	"telemetry":    {[]string{"config"}, foundation},
	"lambdafn":     {[]string{"awssdk", "capture", "config", "httpapi", "outbound", "telemetry", "webhook"}, "it frames every function and nothing else"},
	"pseudonym":    {[]string{"config"}, foundation},
	"token":        {[]string{"config"}, foundation},
	"ledger":       {nil, domain},
	"outbox":       {[]string{"config"}, domain},
	"subscription": {[]string{"ledger", "config", "outbox", "pseudonym", "token"}, domain},
	"alert":        {[]string{"config", "outbox"}, domain},
	"messenger":    {[]string{"alert", "config", "notify", "outbound", "outbox", "webhook"}, "it is the way of an alert to every channel, and nothing else"},
	"phrases":      {[]string{"config"}, "it is what visitors read, and nothing else"},
	"mail":         {[]string{"awssdk", "capture", "config", "outbox", "phrases"}, adapter},
	"admission":    {[]string{"capture", "config", "disposable", "pseudonym", "ratelimit", "telemetry"}, "it is the gate in front of the domain"},
}

// standsAlone is what every other shared package may import: adapters and the cores of single functions.
// outbox is there for outbox.Failure, outbound for the guarded HTTP client.
var standsAlone = layer{[]string{"awssdk", "capture", "config", "histogram", "outbound", "outbox", "pseudonym", "telemetry"}, adapter}

// testOnly are packages that no function may link: tests, and what a build does before, such as reading TOML.
var testOnly = []string{"testing", "testing/", "github.com/pelletier/go-toml/", "net/http/httptest", "github.com/stretchr/", "github.com/alicebob/", "github.com/Shopify/"}

// checkImports holds the module to the import table.
func (b *Bundle) checkImports() []string {
	var problems problems
	for _, path := range sortedKeys(b.Packages) {
		p := b.Packages[path]
		imported := p.imports()
		for _, dep := range imported {
			if strings.HasPrefix(dep, module+"/functions/") {
				problems.add("%s imports %s: nothing imports a function; move what both need to shared/", path, dep)
			}
		}
		area, name, _ := strings.Cut(strings.TrimPrefix(path, module+"/"), "/")
		switch area {
		case "functions":
			checkShipped(name, p, &problems)
		case "shared":
			checkShared(name, imported, &problems)
		}
	}
	return problems
}

// checkShipped holds what a function links to what may be deployed.
func checkShipped(name string, p *Package, problems *problems) {
	for _, dep := range p.Deps {
		switch {
		case strings.HasPrefix(dep, module+"/internal/") || strings.HasPrefix(dep, module+"/cmd/"):
			problems.add("functions/%s links %s: internal/ and cmd/ are never deployed", name, dep)
		case dep == module+"/migrations" && name != "migrate":
			problems.add("functions/%s links %s: only migrate may change the schema", name, dep)
		}
		for _, prefix := range testOnly {
			if dep == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(dep, prefix) {
				problems.add("functions/%s links %s: that is for tests and builds; find the import with `go mod why` and move it to a _test.go file", name, dep)
			}
		}
	}
}

func checkShared(name string, imported []string, problems *problems) {
	rule, listed := layers[name]
	if !listed {
		rule = standsAlone
	}
	for _, dep := range imported {
		other, isShared := strings.CutPrefix(dep, module+"/shared/")
		if ours(dep) && !isShared {
			problems.add("shared/%s imports %s: shared packages import shared packages alone", name, dep)
		}
		if isShared && !slices.Contains(rule.may, other) {
			problems.add("shared/%s imports shared/%s: %s (may import: %s)", name, other, rule.reason, strings.Join(rule.may, ", "))
		}
	}
}

// imports lists what the package's own files import.
func (p *Package) imports() []string {
	var all []string
	for _, file := range p.Files {
		for _, spec := range file.Imports {
			all = append(all, strings.Trim(spec.Path.Value, `"`))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// checkDocs wants a comment on every package that says what it is for.
func (b *Bundle) checkDocs() []string {
	var problems problems
	for _, path := range sortedKeys(b.Packages) {
		p := b.Packages[path]
		switch {
		case len(p.Files) == 0:
		case p.Doc == "":
			problems.add("%s has no package comment: say what it is for, its invariants and its failure policy", path)
		case p.Files[0].Name.Name != "main" && !strings.HasPrefix(p.Doc, "Package "+p.Files[0].Name.Name+" "):
			problems.add("%s: begin the package comment with %q", path, "Package "+p.Files[0].Name.Name)
		}
	}
	return problems
}

// Problems runs all checks.
func (b *Bundle) Problems() []string {
	return slices.Concat(b.checkFunctions(), b.checkStack(), b.checkFeedback(), b.checkRoutes(), b.checkVariables(), b.checkPermissions(),
		b.checkEvents(), b.checkContract(), b.checkImports(), b.checkDocs(), b.checkDeadlines(),
		b.checkLogs(), b.checkAlarms(), b.checkDashboards(), b.checkExposure(), b.checkCode(), b.checkStatements())
}
