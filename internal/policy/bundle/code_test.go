package bundle

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"newsletter/internal/policy/settings"
)

// clone copies the parts that tests change.
func clone(b *bundle) *bundle {
	c := *b
	c.Functions, c.Packages, c.Contract = map[string]*function{}, maps.Clone(b.Packages), map[string][]string{}
	for name, f := range b.Functions {
		copied := *f
		copied.Variables, copied.Routes = slices.Clone(f.Variables), slices.Clone(f.Routes)
		c.Functions[name] = &copied
	}
	c.Events = map[string][]sampleEvent{}
	for name, events := range b.Events {
		c.Events[name] = slices.Clone(events)
	}
	for path, methods := range b.Contract {
		c.Contract[path] = slices.Clone(methods)
	}
	return &c
}

func TestCodeViolationsAreReported(t *testing.T) {
	t.Parallel()
	whole := load(t)
	links := func(function, dep string) func(*bundle) {
		return func(b *bundle) {
			p := b.Packages[module+"/functions/"+function]
			p.Deps = append(slices.Clone(p.Deps), dep)
			b.Packages[p.ImportPath] = p
		}
	}
	imports := func(name, dep string) func(*bundle) {
		return func(b *bundle) {
			p := b.Packages[module+"/shared/"+name]
			p.Imports = append(slices.Clone(p.Imports), module+"/"+dep)
			b.Packages[p.ImportPath] = p
		}
	}
	for name, c := range map[string]struct {
		change func(b *bundle)
		want   string
	}{
		"new route": {func(b *bundle) {
			b.Functions["health"].Routes = append(b.Functions["health"].Routes, "GET /api/health/deep")
		}, "docs/openapi.yaml does not describe GET /api/health/deep"},
		"route not described": {func(b *bundle) { delete(b.Contract, "/api/health/live") }, "does not describe GET /api/health/live"},
		"described method": {func(b *bundle) {
			b.Contract["/api/health"] = append(b.Contract["/api/health"], "POST")
		}, "describes POST /api/health, which no function handles"},
		"no events":      {func(b *bundle) { delete(b.Events, "subscribe") }, "functions/subscribe has no sample event"},
		"orphaned event": {func(b *bundle) { b.Events["other"] = nil }, "events/other belongs to no function"},
		"event of another function": {func(b *bundle) {
			b.Events["subscribe"] = append(b.Events["subscribe"], sampleEvent{File: "f.json", Path: "/api/health", Method: "GET"})
		}, "f.json has the path /api/health, a route of another function"},
		"missing event of a method": {func(b *bundle) {
			b.Events["confirm"] = slices.DeleteFunc(b.Events["confirm"], func(e sampleEvent) bool { return e.Method == "POST" })
		}, "events/confirm has no POST /api/newsletter/confirm"},
		"missing scheduled event": {func(b *bundle) {
			b.Events["deliver"] = slices.DeleteFunc(b.Events["deliver"], func(e sampleEvent) bool { return e.Scheduled })
		}, "events/deliver has no scheduled event"},
		"test code deployed":      {links("confirm", "testing"), "functions/confirm links testing"},
		"TOML deployed":           {links("confirm", "github.com/pelletier/go-toml/v2"), "functions/confirm links github.com/pelletier/go-toml/v2"},
		"internal deployed":       {links("confirm", module+"/internal/local/pki"), "functions/confirm links newsletter/internal/local/pki"},
		"schema in a function":    {links("confirm", module+"/migrations"), "only migrate may change the schema"},
		"adapter imports adapter": {imports("redistls", "shared/postgres"), "shared/redistls imports shared/postgres: adapters do not import each other"},
		"function imported":       {imports("outbox", "functions/deliver"), "packages do not import functions"},
		"internal imported":       {imports("outbox", "internal/local/pki"), "shared packages import only shared packages"},
	} {
		t.Run(name, func(t *testing.T) {
			b := clone(whole)
			c.change(b)
			want(t, b.Problems(), c.want)
		})
	}
}

// TestUnsafeCodeIsReported adds an import to a deployed package. `make lint` (gosec) refuses unsafe TLS configurations.
func TestUnsafeCodeIsReported(t *testing.T) {
	t.Parallel()
	whole := load(t)
	for path, c := range map[string]struct{ dep, want string }{
		"shared/outbox":     {"os/exec", "shared/outbox imports os/exec: functions do not start processes"},
		"shared/token":      {"math/rand/v2", "shared/token imports math/rand/v2: use crypto/rand"},
		"functions/deliver": {"math/rand", "functions/deliver imports math/rand: use math/rand/v2, or crypto/rand"},
		"shared/pseudonym":  {"crypto/md5", "shared/pseudonym imports crypto/md5: it is not in the cryptography table"},
		"migrations":        {"golang.org/x/crypto/chacha20", "migrations imports golang.org/x/crypto/chacha20"},
		"shared/email":      {"html/template", "shared/email imports html/template"},
	} {
		b := clone(whole)
		p := b.Packages[module+"/"+path]
		p.Imports = append(slices.Clone(p.Imports), c.dep)
		b.Packages[p.ImportPath] = p
		want(t, b.Problems(), c.want)
	}
}

// TestCodeChangesNeedTheTemplate changes what functions are recorded to do, and leaves the template.
func TestCodeChangesNeedTheTemplate(t *testing.T) {
	t.Parallel()
	whole, template := load(t), templateText(t)
	stacks := translated(t, func(ctx context.Context) ([][]*Stack, error) { return Stacks(ctx, []byte(template)) })[0]
	for name, c := range map[string]struct {
		change func(f map[string]*function)
		want   string
	}{
		"new variable": {func(f map[string]*function) {
			f["subscribe"].Variables = append(f["subscribe"].Variables, settings.Variable{Name: "NEW", Kind: settings.Infrastructure})
		}, "functions/subscribe reads NEW, which SubscribeFunction does not get"},
		"new secret": {func(f map[string]*function) {
			f["health"].Variables = append(f["health"].Variables, settings.Variable{Name: "PEPPER", Kind: settings.Secret})
		}, "functions/health reads the secret PEPPER"},
		"unread secret": {func(f map[string]*function) {
			f["confirm"].Variables = slices.DeleteFunc(f["confirm"].Variables, func(v settings.Variable) bool { return v.Name == "TOKEN_KEYS_CONFIRM" })
		}, "ConfirmRole may read TOKEN_KEYS_CONFIRM in ConfirmKeysSecret, which functions/confirm does not use"},
		"new route":     {func(f map[string]*function) { f["health"].Routes = []string{"GET /api/deep"} }, "HealthFunction serves /api/deep, which is no route"},
		"private route": {func(f map[string]*function) { f["deliver"].Routes = []string{"GET /api/x"} }, "functions/deliver serves /api/x, but is not public"},
		"function gone": {func(f map[string]*function) { delete(f, "health") }, "HealthFunction has no directory functions/health"},
	} {
		t.Run(name, func(t *testing.T) {
			b := clone(whole)
			c.change(b.Functions)
			want(t, b.StackProblems(stacks[0]), c.want)
		})
	}
	for action, want := range map[string]string{
		"sns:Subscribe": "DeliverRole must allow sns:Subscribe", "": "DeliverRole allows ses:SendEmail, which functions/deliver does not call",
	} {
		found := Binary{Function: "deliver", Calls: []string{action}}.CallProblems(stacks[0])
		if !strings.Contains(strings.Join(found, "\n"), want) {
			t.Errorf("calls %q: %q, want %q", action, found, want)
		}
	}
}
