package bundle

import (
	"go/ast"
	"strings"
)

// notShipped are packages that nothing deployed of ours may import, and why.
var notShipped = map[string]string{
	"os/exec":        "no function starts a process",
	"plugin":         "no function loads code",
	"unsafe":         "memory is the runtime's",
	"encoding/gob":   "it makes whatever types a text asks for",
	"encoding/xml":   "no interface of ours speaks it",
	"expvar":         "it shows the inside of a process",
	"net/http/pprof": "it shows the inside of a process",
	"math/rand":      "use math/rand/v2, or crypto/rand for anything that nobody may guess",
	"text/template":  "a template can be made of what was sent; pages are constants with escaped values",
	"html/template":  "a template can be made of what was sent; pages are constants with escaped values",
}

// cryptography is what shipped code of ours may do by itself: docs/security.md says what for. TLS and AWS's signatures are
// their libraries' own.
var cryptography = map[string]bool{
	"crypto/aes": true, "crypto/cipher": true, // the outbox's sealed payloads
	"crypto/hmac": true, "crypto/sha256": true, // links, pseudonyms, webhooks; seals and checksums
	"crypto/pbkdf2": true, // the verifier of a role's password (SCRAM)
	"crypto/rand":   true,
	"crypto/subtle": true, // CloudFront's secret
	"crypto/tls":    true, "crypto/x509": true,
}

// jitter are the packages that spread pauses by chance, which needs no secret.
var jitter = map[string]bool{"captcha": true, "outbox": true, "postgres": true, "ratelimit": true}

// checkCode holds what shipped code imports, and how it speaks TLS, to what docs/security.md says.
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
				problems.add("%s imports %s: it is not in the table of cryptography; see docs/security.md, V11", path, dep)
			case dep == "math/rand/v2" && (area != "shared" || !jitter[name]):
				problems.add("%s imports %s: use crypto/rand for anything that nobody may guess", path, dep)
			}
		}
		p.checkTLS(&problems)
	}
	return problems
}

// checkTLS wants every configuration of TLS to verify, and to name the oldest version that it takes.
func (p *Package) checkTLS(problems *problems) {
	for _, file := range p.Files {
		names := imports(file)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if n.Name == "InsecureSkipVerify" {
					problems.add("%s: certificates are always verified", p.at(n))
				}
			case *ast.CompositeLit:
				kind, ok := n.Type.(*ast.SelectorExpr)
				if ok && kind.Sel.Name == "Config" && names[exprName(kind.X)] == "crypto/tls" && !takesNew(n) {
					problems.add("%s: set MinVersion to tls.VersionTLS12 or tls.VersionTLS13", p.at(n))
				}
			}
			return true
		})
	}
}

func takesNew(config *ast.CompositeLit) bool {
	for _, element := range config.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok && exprName(pair.Key) == "MinVersion" {
			version := exprName(pair.Value)
			return version == "VersionTLS12" || version == "VersionTLS13"
		}
	}
	return false
}
