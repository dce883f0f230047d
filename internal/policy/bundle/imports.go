package bundle

import (
	"slices"
	"strings"
)

// A layer lists the packages of this module that a shared package may import, and the reason for the limit.
type layer struct {
	may    []string // names of shared packages
	reason string
}

const (
	foundation = "every package depends on it, so it depends on none"
	domain     = "the domain depends only on the ledger, the outbox and pgx"
	adapter    = "adapters do not import each other; functions wire them"
)

// layers is the import table. Packages that are not listed follow standsAlone.
var layers = map[string]layer{
	"awssdk":       {nil, foundation},
	"breaker":      {nil, foundation},
	"config":       {[]string{"awssdk"}, foundation},
	"capture":      {[]string{"config"}, adapter},
	"httpapi":      {[]string{"config", "capture"}, adapter},
	"telemetry":    {[]string{"config"}, foundation},
	"lambdafn":     {[]string{"awssdk", "capture", "config", "httpapi", "outbound", "telemetry", "webhook"}, "it wraps the invocations of every function"},
	"pseudonym":    {[]string{"config"}, foundation},
	"keyring":      {[]string{"config"}, foundation},
	"token":        {[]string{"config", "keyring"}, foundation},
	"apikey":       {[]string{"config", "keyring"}, foundation},
	"ledger":       {nil, domain},
	"field":        {[]string{"ledger"}, domain},
	"privacy":      {[]string{"field"}, "it describes what the domain keeps to its subject"},
	"outbox":       {[]string{"config"}, domain},
	"subscription": {[]string{"apikey", "field", "ledger", "config", "outbox", "pseudonym", "token"}, domain},
	"alert":        {[]string{"config", "outbox"}, domain},
	"healthcheck":  {[]string{"alert"}, "the health function's details list the firing alerts"},
	"notify":       {[]string{"alert", "awssdk", "config", "outbound", "outbox", "webhook"}, "it sends alerts to every destination"},
	"catalog":      {[]string{"config"}, "it holds the translations that visitors read"},
	"email":        {[]string{"awssdk", "capture", "config", "outbox", "catalog"}, adapter},
	"visitor": {[]string{
		"admission", "catalog", "config", "httpapi", "keyring", "lambdafn", "ledger", "postgres", "pseudonym", "ratelimit", "redistls", "requeststats", "subscription",
		"telemetry", "token",
	}, "it is what the functions that visitors call have in common"},
	"serverauth": {[]string{"apikey", "httpapi", "lambdafn", "telemetry"}, "functions that accept servers' keys authenticate them alike"},
	"snapshot":   {[]string{"alert", "healthcheck", "ledger", "outbox", "requeststats"}, "it shows what the domain and the health function keep"},
	"operate": {[]string{
		"admission", "alert", "anchor", "apikey", "catalog", "config", "field", "httpapi", "journal", "ledger", "outbox", "postgres", "privacy", "pseudonym", "requeststats",
		"snapshot", "subscription", "token", "webhook",
	}, "the operator's commands run on everything that an installation keeps"},
	"admission": {[]string{"capture", "config", "disposable", "pseudonym", "ratelimit", "telemetry"}, "it admits requests to the domain"},
}

// standsAlone applies to every other shared package: adapters and packages of a single function. They import outbox for
// outbox.Failure, outbound for the guarded HTTP client, and objectstore for S3.
var standsAlone = layer{[]string{"awssdk", "breaker", "capture", "config", "objectstore", "outbound", "outbox", "pseudonym", "telemetry"}, adapter}

// testOnly lists packages that no function may link because only tests and builds need them. A trailing slash marks a
// prefix.
var testOnly = []string{"testing", "testing/", "github.com/pelletier/go-toml/", "net/http/httptest", "github.com/spf13/", "charm.land/", "github.com/stretchr/", "github.com/alicebob/", "github.com/Shopify/"}

// notShipped maps packages that deployed code may not import to the reason.
var notShipped = map[string]string{
	"os/exec":        "functions do not start processes",
	"plugin":         "functions do not load code",
	"unsafe":         "it bypasses Go's memory safety",
	"encoding/gob":   "it lets the input choose the types to allocate",
	"encoding/xml":   "no interface uses XML",
	"expvar":         "it exposes process internals",
	"net/http/pprof": "it exposes process internals",
	"math/rand":      "use math/rand/v2, or crypto/rand for values that must not be predictable",
	"text/template":  "a template could be built from input, and it links ReflectMethod (docs/adr/0002)",
	"html/template":  "a template could be built from input, and it links ReflectMethod (docs/adr/0002)",
	awsConfig:        "it adds 2 MiB; use shared/awssdk",
}

const awsConfig = "github.com/aws/aws-sdk-go-v2/config"

// cryptography lists the packages that shipped code may use directly, for the purposes in docs/security.md. TLS and
// AWS's request signatures are implemented by their libraries.
var cryptography = map[string]bool{
	"crypto/aes": true, "crypto/cipher": true, // the outbox's sealed payloads
	"crypto/hmac": true, "crypto/sha256": true, // links, pseudonyms, webhooks; seals and checksums
	"crypto/pbkdf2": true, // the verifier of a role's password (SCRAM)
	"crypto/rand":   true,
	"crypto/subtle": true, // a trusted proxy's secret
	"crypto/tls":    true, "crypto/x509": true,
}

// jitter lists the packages that use math/rand/v2 for jitter, which needs no secret.
var jitter = []string{"breaker", "outbox", "postgres", "ratelimit"}

// checkImports checks all imports against these tables.
func (b *bundle) checkImports() []string {
	var problems problems
	for _, path := range sortedKeys(b.Packages) {
		p := b.Packages[path]
		for _, dep := range p.Imports {
			if strings.HasPrefix(dep, module+"/functions/") {
				problems.add("%s imports %s: packages do not import functions; move shared code to shared/", path, dep)
			}
		}
		area, name, _ := strings.Cut(strings.TrimPrefix(path, module+"/"), "/")
		if area == "functions" || area == "shared" || area == "migrations" {
			checkDeployed(p, area == "shared" && slices.Contains(jitter, name), &problems)
		}
		switch area {
		case "functions":
			checkShipped(name, p.Deps, &problems)
		case "shared":
			checkShared(name, p.Imports, &problems)
		}
	}
	return problems
}

// checkDeployed checks the imports of a deployed package against docs/security.md.
func checkDeployed(p goPackage, jitters bool, problems *problems) {
	for _, dep := range p.Imports {
		isCrypto := strings.HasPrefix(dep, "crypto/") || strings.HasPrefix(dep, "golang.org/x/crypto/")
		switch {
		case notShipped[dep] != "":
			problems.add("%s imports %s: %s", p.ImportPath, dep, notShipped[dep])
		case isCrypto && !cryptography[dep]:
			problems.add("%s imports %s: it is not in the cryptography table; see docs/security.md, V11", p.ImportPath, dep)
		case dep == "math/rand/v2" && !jitters:
			problems.add("%s imports %s: use crypto/rand for values that must not be predictable", p.ImportPath, dep)
		}
	}
}

// checkShipped checks that a function links only packages that may be deployed.
func checkShipped(name string, deps []string, problems *problems) {
	for _, dep := range deps {
		switch {
		case strings.HasPrefix(dep, module+"/internal/") || strings.HasPrefix(dep, module+"/cmd/"):
			problems.add("functions/%s links %s: internal/ and cmd/ are never deployed", name, dep)
		case dep == module+"/migrations" && name != "migrate":
			problems.add("functions/%s links %s: only migrate may change the schema", name, dep)
		}
		for _, prefix := range testOnly {
			if dep == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(dep, prefix) {
				problems.add("functions/%s links %s: it is for tests and builds only; find the import with `go mod why` and move it to a _test.go file", name, dep)
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
		if strings.HasPrefix(dep, module+"/") && !isShared {
			problems.add("shared/%s imports %s: shared packages import only shared packages", name, dep)
		}
		if isShared && !slices.Contains(rule.may, other) {
			problems.add("shared/%s imports shared/%s: %s (may import: %s)", name, other, rule.reason, strings.Join(rule.may, ", "))
		}
	}
}
