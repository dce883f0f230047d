package bundle

import (
	"go/parser"
	"slices"
	"testing"
)

func TestExposureIsReported(t *testing.T) {
	const resources = "\nResources:\n"
	checkChanges(t, map[string]change{
		"a route to deliver": {"        Drain:\n", "        Now: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: /api/now, Method: ANY}}\n        Drain:\n", "but is not public"},
		"a function URL":     {"      Role: !GetAtt MigrateRole.Arn\n", "      Role: !GetAtt MigrateRole.Arn\n      FunctionUrlConfig: {AuthType: NONE}\n", "MigrateFunction has a function URL"},
		"a separate URL":     {resources, resources + "  Door: {Type: AWS::Lambda::Url, Properties: {AuthType: NONE, TargetFunctionArn: !Ref MigrateFunction}}\n", "Door is another entry point"},
		"a second API":       {resources, resources + "  Second: {Type: AWS::Serverless::HttpApi}\n", "2 HTTP APIs"},
		"a REST API":         {resources, resources + "  Rest: {Type: AWS::Serverless::Api}\n", "Rest is another entry point"},
		"anyone may invoke":  {resources, resources + "  All: {Type: AWS::Lambda::Permission, Properties: {Principal: '*', FunctionName: !Ref MigrateFunction, Action: lambda:InvokeFunction}}\n", "All lets anyone invoke"},
	})
}

// TestUnsafeCodeIsReported adds a file to a deployed package.
func TestUnsafeCodeIsReported(t *testing.T) {
	whole, _, known := load(t)
	for name, c := range map[string]struct{ path, source, want string }{
		"a process":           {"/shared/outbox", `import "os/exec"`, "shared/outbox imports os/exec: functions do not start processes"},
		"weak random numbers": {"/shared/token", `import "math/rand/v2"`, "shared/token imports math/rand/v2: use crypto/rand"},
		"old random numbers":  {"/functions/deliver", `import "math/rand"`, "functions/deliver imports math/rand: use math/rand/v2, or crypto/rand"},
		"a broken hash":       {"/shared/pseudonym", `import "crypto/md5"`, "shared/pseudonym imports crypto/md5: it is not in the cryptography table"},
		"a cipher of our own": {"/migrations", `import "golang.org/x/crypto/chacha20"`, "migrations imports golang.org/x/crypto/chacha20"},
		"templates":           {"/shared/email", `import "html/template"`, "shared/email imports html/template"},
		"any certificate":     {"/shared/outbound", `import "crypto/tls"; var c = tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}`, "certificates are always verified"},
		"any version of TLS":  {"/shared/outbound", `import "crypto/tls"; var c = &tls.Config{}`, "set MinVersion"},
		"an old version":      {"/shared/outbound", `import "crypto/tls"; var c = &tls.Config{MinVersion: tls.VersionTLS10}`, "set MinVersion"},
		"concatenation":       {"/shared/outbox", `func f(b *pgx.Batch, id string) { b.Queue("delete from outbox where id = '" + id + "'") }`, "the statement is built at run time"},
		"formatting":          {"/functions/health", `func f(c *pgx.Conn, t string) { c.Exec(nil, fmt.Sprintf("drop table %s", t)) }`, "the statement is built at run time"},
		"a parameter":         {"/internal/lists", `func f(c *pgx.Conn, t string) { _ = c.QueryRow(nil, t) }`, "the statement is built at run time"},
		"a variable":          {"/shared/alert", `var openSQL2 = "select 1"; func f(b *pgx.Batch) { b.Queue(openSQL2) }`, "the statement is built at run time"},
		"passed on":           {"/shared/alert", `func run(b *pgx.Batch, sql string) { b.Queue(sql) }; func f(b *pgx.Batch, s string) { run(b, s) }`, "the statement is built at run time"},
		"changed parameter":   {"/shared/alert", `func run(b *pgx.Batch, sql, s string) { sql += s; b.Queue(sql) }`, "the statement is built at run time"},
	} {
		t.Run(name, func(t *testing.T) {
			b := clone(whole)
			p := b.Packages[module+c.path]
			file, err := parser.ParseFile(p.fset, "added.go", "package added\n"+c.source, 0)
			if err != nil {
				t.Fatal(err)
			}
			p.Files = append(slices.Clone(p.Files), file)
			want(t, newProblems(b, known), c.want)
		})
	}
}
