package bench

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/gobuild"
	"newsletter/internal/policy/bundle"
	"newsletter/internal/policy/settings"
)

const (
	root = "../../.."
	// starts is how often each function is started; the median counts.
	starts = 30
)

// BenchmarkStart measures the time from the start of a process to its first GET of /invocation/next, which ends
// Lambda's INIT phase, as a multiple of an empty function's. "closed" dials closed ports, "open" dials the real
// servers (docs/adr/0020).
func BenchmarkStart(b *testing.B) {
	binaries := b.TempDir()
	build(b, "./internal/suites/bench/empty", filepath.Join(binaries, "empty"))
	names, err := bundle.FunctionNames(root)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range names {
		build(b, "./functions/"+name, filepath.Join(binaries, name))
	}
	db, redis := testenv.PgBouncer(b), testenv.Redis(b)
	servers := map[string][]string{
		"closed": {"DATABASE_URL=postgres://app:x@127.0.0.1:1/x", "REDIS_URL=rediss://127.0.0.1:1"},
		"open":   {"DATABASE_URL=" + db.AppURL, "TLS_CA_FILE=" + db.CAFile, "REDIS_URL=" + redis.URL},
	}
	for _, name := range names {
		required, err := settings.Required(name)
		if err != nil {
			b.Fatal(err)
		}
		for _, mode := range []string{"closed", "open"} {
			b.Run(name+"/"+mode, func(b *testing.B) {
				environment := slices.Concat(required, []string{"AWS_REGION=eu-central-1", "LOG_LEVEL=ERROR"}, servers[mode])
				var empty, took [starts]time.Duration
				for i := range starts { // alternating, so that a machine whose speed drifts changes both
					empty[i] = start(b, filepath.Join(binaries, "empty"), nil)
					took[i] = start(b, filepath.Join(binaries, name), environment)
				}
				slices.Sort(empty[:])
				slices.Sort(took[:])
				b.ReportMetric(float64(took[starts/2])/float64(empty[starts/2]), "×empty")
				b.ReportMetric(float64(took[starts/2].Microseconds())/1000, "ms")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func build(b *testing.B, pkg, out string) {
	b.Helper()
	arguments := slices.Concat([]string{"build"}, gobuild.DeployedFlags(), []string{"-ldflags=" + gobuild.LinkerFlags, "-o", out, pkg})
	cmd := exec.Command("go", arguments...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if output, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v\n%s", pkg, err, output)
	}
}

// start runs a binary until it requests its first event.
func start(b *testing.B, binary string, environment []string) time.Duration {
	b.Helper()
	ready := make(chan time.Time, 1)
	api := http.NewServeMux()
	api.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Lambda-Extension-Identifier", "1")
	})
	api.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	api.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(_ http.ResponseWriter, r *http.Request) {
		ready <- time.Now()
		<-r.Context().Done()
	})
	server := httptest.NewServer(api)
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = append(environment, "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(server.URL, "http://"))
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	select {
	case at := <-ready:
		return at.Sub(began)
	case <-ctx.Done():
		b.Fatalf("%s did not ask for an event:\n%s", filepath.Base(binary), log.String())
		return 0
	}
}
