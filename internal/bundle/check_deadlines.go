package bundle

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"time"

	"newsletter/internal/settings"
)

// gatewayTimeout is how long an HTTP API waits for a function (API Gateway quotas: 30 s, fixed).
const gatewayTimeout = 30 * time.Second

// checkDeadlines checks that each function's Timeout exceeds the sum of its deadlines, so that a slow dependency leads
// to an error response and not to a killed environment.
func (b *Bundle) checkDeadlines() []string {
	var problems problems
	at := func(pkg, name string) time.Duration {
		d, ok := b.duration(module+"/"+pkg, name)
		if !ok {
			problems.add("%s: the constant %s is missing: name the deadline that replaced it in internal/bundle/check_deadlines.go", pkg, name)
		}
		return d
	}
	reserve, transaction := at("shared/lambdafn", "reserve"), at("shared/postgres", "budget")
	redis, linger, lastBatch := at("shared/ratelimit", "redisBudget"), at("shared/outbox", "maxLinger"), at("functions/deliver", "timeToSend")
	for _, name := range sortedKeys(b.Functions) {
		code, f := b.Functions[name], b.Template.Functions[name]
		if f == nil {
			continue
		}
		need := reserve
		if slices.Contains(code.Deps, module+"/shared/postgres") {
			need += transaction
		}
		if slices.Contains(code.Deps, module+"/shared/ratelimit") {
			need += redis
		}
		if slices.ContainsFunc(code.Variables, func(v settings.Variable) bool { return v.Name == "DELIVERY_LINGER" }) {
			need += linger + lastBatch
		}
		if f.Timeout <= need {
			problems.add("template.yaml: the Timeout of %s is %v; the sum of its deadlines is %v: raise it", f.ID, f.Timeout, need)
		}
		if len(f.Routes) > 0 && f.Timeout >= gatewayTimeout {
			problems.add("template.yaml: the Timeout of %s is %v; the gateway times out after %v: lower it", f.ID, f.Timeout, gatewayTimeout)
		}
	}
	b.checkMigrationTime(&problems)
	return problems
}

// checkMigrationTime checks that CloudFormation waits for the migration at least as long as Lambda lets it run.
func (b *Bundle) checkMigrationTime(problems *problems) {
	migrate := b.Template.Functions["migrate"]
	if migrate == nil {
		return
	}
	wait, _ := mapping(mapping(b.Template.Resources["Migration"])["Properties"])["ServiceTimeout"].(int)
	if time.Duration(wait)*time.Second < migrate.Timeout {
		problems.add("template.yaml: Migration.ServiceTimeout is %d s, below the Timeout %v of %s: a deployment would fail during a migration",
			wait, migrate.Timeout, migrate.ID)
	}
}

// duration evaluates a duration constant of a package, such as "4 * time.Second".
func (b *Bundle) duration(path, name string) (time.Duration, bool) {
	p := b.Packages[path]
	if p == nil {
		return 0, false
	}
	var found time.Duration
	var ok bool
	for _, file := range p.Files {
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, isSpec := n.(*ast.ValueSpec); isSpec && !ok {
				for i, id := range spec.Names {
					if id.Name == name && i < len(spec.Values) {
						found, ok = evaluate(spec.Values[i])
					}
				}
			}
			return !ok
		})
	}
	return found, ok
}

func evaluate(e ast.Expr) (time.Duration, bool) {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		unit, ok := map[string]time.Duration{
			"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
		}[e.Sel.Name]
		return unit, ok
	case *ast.BinaryExpr:
		count, isCount := e.X.(*ast.BasicLit)
		if !isCount || e.Op != token.MUL {
			return 0, false
		}
		n, err := strconv.Atoi(count.Value)
		unit, ok := evaluate(e.Y)
		return time.Duration(n) * unit, ok && err == nil
	}
	return 0, false
}
