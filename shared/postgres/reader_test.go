package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/config"
	"newsletter/shared/postgres"
)

// port returns the server that served a read: the wire's, the writer's, or none.
func where(t *testing.T, r *postgres.Reader) string {
	t.Helper()
	var name string
	err := r.Batch(t.Context(), func(batch *pgx.Batch) {
		batch.Queue("select current_setting('application_name')").QueryRow(func(row pgx.Row) error { return row.Scan(&name) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestReadsGoToTheReplicaAndFallBackToTheWriter(t *testing.T) {
	b := setup(t)
	replica := toxic(t, host(t, b.env.DirectURL))
	writer := b.open(b.env.DirectURL+"&application_name=writer", 1)
	cfg := postgres.Config{CAFile: b.env.CAFile, MaxConns: 1, ReadURL: config.Seal(at(t, b.env.DirectURL, replica.Listen) + "&application_name=replica")}
	reader, err := postgres.NewReader(t.Context(), cfg, writer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	var causes []error
	reader.OnFallback = func(_ context.Context, cause error) { causes = append(causes, cause) }
	clock := time.Now()
	reader.SetNow(func() time.Time { return clock })

	if got := where(t, reader); got != "replica" || reader.Fallbacks() != 0 {
		t.Fatalf("read from %q, %d fallbacks", got, reader.Fallbacks())
	}
	replica.Stop()
	for range 2 { // the second does not try the replica again
		if got := where(t, reader); got != "writer" {
			t.Errorf("read from %q", got)
		}
	}
	if reader.Fallbacks() != 2 || len(causes) != 2 || causes[0] == nil || causes[1] != nil {
		t.Errorf("%d fallbacks, causes %v", reader.Fallbacks(), causes)
	}

	if err := replica.Start(); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(time.Minute)
	if got := where(t, reader); got != "replica" || reader.Fallbacks() != 2 {
		t.Errorf("after it came back: read from %q, %d fallbacks", got, reader.Fallbacks())
	}

	b.exec("revoke select on scratch from app")
	err = reader.Batch(t.Context(), func(batch *pgx.Batch) { batch.Queue("select id from scratch") })
	if err == nil || reader.Fallbacks() != 2 {
		t.Errorf("a mistake of the caller fell back: %v", err)
	}
}

func TestWithoutAReplicaReadsGoToTheWriter(t *testing.T) {
	b := setup(t)
	writer := b.open(b.env.AppURL, 1)
	reader, err := postgres.NewReader(t.Context(), postgres.Config{CAFile: b.env.CAFile}, writer)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	where(t, reader)
	if reader.Fallbacks() != 0 || writer.Stats().Acquired != 1 {
		t.Errorf("%d fallbacks, %+v", reader.Fallbacks(), writer.Stats())
	}
}
