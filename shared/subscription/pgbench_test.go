package subscription

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var update = flag.Bool("update", false, "rewrite functions/subscribe/testdata/subscribe.pgbench")

// pgbenchFile is the script that BenchmarkSubscribe runs with pgbench.
const pgbenchFile = "../../functions/subscribe/testdata/subscribe.pgbench"

// TestPgbenchRunsWhatARequestRuns checks that the benchmark's baseline runs the statements of a sign-up.
func TestPgbenchRunsWhatARequestRuns(t *testing.T) {
	b := setup(t)
	recorded := &tape{database: b.db}
	if _, err := b.on(recorded).Request(t.Context(), Request{Address: address(t, sample), Locale: "de", Visit: visit}); err != nil {
		t.Fatal(err)
	}
	script := pgbenchScript(t, recorded.batches)
	if *update {
		if err := os.WriteFile(pgbenchFile, script, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(pgbenchFile)
	if err != nil || !bytes.Equal(kept, script) {
		t.Errorf("%s differs from the statements of a request; rewrite it with -update: %v", pgbenchFile, err)
	}
}

// A tape records the batches of a transaction.
type tape struct {
	database
	batches [2][]*pgx.QueuedQuery
}

// Transact implements database.
func (t *tape) Transact(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error {
	return t.database.Transact(ctx, lock,
		func(b *pgx.Batch) {
			load(b)
			t.batches[0] = slices.Clone(b.QueuedQueries)
		},
		func(b *pgx.Batch) error {
			err := decide(b)
			t.batches[1] = slices.Clone(b.QueuedQueries)
			return err
		})
}

const (
	// sample is the address that the script replaces.
	sample = "sample@example.org"
	// consentTexts is the prefix of the ids of the consent texts in migration 0001, which every database has.
	consentTexts = "01900000-0000-7000-8000-"
	// uuidv7 begins with the time, as newID does, so the indexes grow at their end.
	uuidv7 = "(lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || right(md5(%s), 20))"
)

// pgbenchScript returns batches as a pgbench script. Values that are unique to a request are computed from a random
// number; equal values stay equal.
func pgbenchScript(t *testing.T, batches [2][]*pgx.QueuedQuery) []byte {
	t.Helper()
	var script bytes.Buffer
	script.WriteString("-- The statements of a sign-up, of an address that nobody knows. Written by TestPgbenchRunsWhatARequestRuns -update.\n" +
		"\\set n random(1, 9000000000000000)\n")
	values := generatedValues{}
	for i, queries := range batches {
		script.WriteString("\\startpipeline\n")
		if i == 1 {
			queries = append(queries, &pgx.QueuedQuery{SQL: "commit"})
		}
		for _, q := range queries {
			script.WriteString(values.fill(t, q) + ";\n")
		}
		script.WriteString("\\endpipeline\n")
	}
	return script.Bytes()
}

// generatedValues lists the values that are unique to a request, in order of appearance.
type generatedValues []string

var parameter = regexp.MustCompile(`\$\d+`)

// fill replaces the parameters of a query with its arguments.
func (o *generatedValues) fill(t *testing.T, q *pgx.QueuedQuery) string {
	t.Helper()
	return strings.TrimSpace(parameter.ReplaceAllStringFunc(q.SQL, func(name string) string {
		n, err := strconv.Atoi(name[1:])
		if err != nil {
			t.Fatal(err)
		}
		return o.literal(t, q.Arguments[n-1])
	}))
}

// literal returns a value as an SQL literal.
func (o *generatedValues) literal(t *testing.T, v any) string {
	t.Helper()
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer {
		if p.IsNil() {
			return "null"
		}
		v = p.Elem().Interface()
	}
	switch v := v.(type) {
	case nil:
		return "null"
	case time.Time:
		return fmt.Sprintf("(now() + interval '%d seconds')", int(v.Sub(now).Seconds()))
	case bool, int, int32:
		return fmt.Sprint(v)
	case int64:
		return fmt.Sprintf("hashtextextended(%s, 0)", o.unique(strconv.FormatInt(v, 10)))
	case []byte:
		if v == nil {
			return "null"
		}
		return fmt.Sprintf("sha256((%s)::bytea)", o.unique(hex.EncodeToString(v)))
	case string:
		if _, err := uuid.Parse(v); err == nil && !strings.HasPrefix(v, consentTexts) {
			return fmt.Sprintf(uuidv7, o.unique(v))
		}
		if v == sample {
			return "(:n || '@example.org')"
		}
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	case []string:
		list, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return "'{" + strings.Trim(string(list), "[]") + "}'"
	}
	t.Fatalf("unsupported argument type %T", v)
	return ""
}

// unique returns an expression for a value that is unique to a request.
func (o *generatedValues) unique(v string) string {
	i := slices.Index(*o, v)
	if i < 0 {
		i = len(*o)
		*o = append(*o, v)
	}
	return fmt.Sprintf("'%d ' || :n", i)
}
