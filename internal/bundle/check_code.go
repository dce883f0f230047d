package bundle

import (
	"go/ast"
	"strings"
)

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
	"text/template":  "a template could be built from input; pages are constants with escaped values",
	"html/template":  "a template could be built from input; pages are constants with escaped values",
}

// cryptography lists the packages that shipped code may use directly, for the purposes in docs/security.md. TLS and
// AWS's request signatures are implemented by their libraries.
var cryptography = map[string]bool{
	"crypto/aes": true, "crypto/cipher": true, // the outbox's sealed payloads
	"crypto/hmac": true, "crypto/sha256": true, // links, pseudonyms, webhooks; seals and checksums
	"crypto/pbkdf2": true, // the verifier of a role's password (SCRAM)
	"crypto/rand":   true,
	"crypto/subtle": true, // CloudFront's secret
	"crypto/tls":    true, "crypto/x509": true,
}

// jitter lists the packages that use math/rand/v2 for jitter, which needs no secret.
var jitter = map[string]bool{"breaker": true, "outbox": true, "postgres": true, "ratelimit": true}

// checkCode checks the imports and TLS configurations of shipped code against docs/security.md.
func (b *Bundle) checkCode() []string {
	var problems problems
	for _, path := range sortedKeys(b.Packages) {
		area, name, _ := strings.Cut(strings.TrimPrefix(path, module+"/"), "/")
		if area != "functions" && area != "shared" && area != "migrations" {
			continue
		}
		p := b.Packages[path]
		for _, dep := range p.imports() {
			isCrypto := strings.HasPrefix(dep, "crypto/") || strings.HasPrefix(dep, "golang.org/x/crypto/")
			switch {
			case notShipped[dep] != "":
				problems.add("%s imports %s: %s", path, dep, notShipped[dep])
			case isCrypto && !cryptography[dep]:
				problems.add("%s imports %s: it is not in the cryptography table; see docs/security.md, V11", path, dep)
			case dep == "math/rand/v2" && (area != "shared" || !jitter[name]):
				problems.add("%s imports %s: use crypto/rand for values that must not be predictable", path, dep)
			}
		}
		p.checkTLS(&problems)
	}
	return problems
}

// checkTLS checks that every TLS configuration verifies certificates and sets MinVersion.
func (p *Package) checkTLS(problems *problems) {
	for _, file := range p.Files {
		names := imports(file)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if n.Name == "InsecureSkipVerify" {
					problems.add("%s: remove InsecureSkipVerify: certificates are always verified", p.at(n))
				}
			case *ast.CompositeLit:
				kind, ok := n.Type.(*ast.SelectorExpr)
				if ok && kind.Sel.Name == "Config" && names[exprName(kind.X)] == "crypto/tls" && !setsMinVersion(n) {
					problems.add("%s: set MinVersion to tls.VersionTLS12 or tls.VersionTLS13", p.at(n))
				}
			}
			return true
		})
	}
}

func setsMinVersion(config *ast.CompositeLit) bool {
	for _, element := range config.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok && exprName(pair.Key) == "MinVersion" {
			version := exprName(pair.Value)
			return version == "VersionTLS12" || version == "VersionTLS13"
		}
	}
	return false
}
