package lists

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/config"
	"newsletter/shared/operate"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// bundle is an installation for lists.
type bundle struct {
	*functiontest.Fixture
	*operate.Installation
	db  *postgres.DB
	key pseudonym.Key
}

func setup(t *testing.T) *bundle {
	t.Helper()
	return setupOn(functiontest.New(t))
}

func setupOn(f *functiontest.Fixture) *bundle {
	f.Helper()
	b := &bundle{Fixture: f}
	env := b.Env()
	dbConfig, keyConfig := postgres.ReadConfig(env), config.Read[pseudonym.Config](env)
	var err error
	if b.db, err = postgres.New(b.Context(), dbConfig); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(b.db.Close)
	if b.key, err = pseudonym.NewKey(keyConfig); err != nil {
		b.Fatal(err)
	}
	b.reopen()
	return b
}

// reopen opens the installation with the present variables.
func (b *bundle) reopen() {
	b.Helper()
	var err error
	if b.Installation, err = operate.Open(b.Context(), b.Env(), time.Now); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(b.Close)
}

// run imports a list as the tool does, and counts its lines by result.
func (b *bundle) run(list string, o Options, part operate.ListPart) map[string]int {
	b.Helper()
	totals, err := b.try(b.Context(), strings.NewReader(list), o, part)
	if err != nil {
		b.Fatal(err)
	}
	return totals
}

func (b *bundle) try(ctx context.Context, list io.Reader, o Options, part operate.ListPart) (map[string]int, error) {
	l, err := Open(list, o)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	totals := map[string]int{}
	send := func() error {
		result, err := operate.Import.Do(ctx, b.Installation, part)
		for _, r := range result.Results {
			switch {
			case r.Became != "":
				totals[string(r.Became)]++
			case r.Reason != "":
				totals["refused:"+r.Reason]++
			default:
				totals["unchanged"]++
			}
		}
		part.Entries = nil
		return err
	}
	err = l.Entries(func(e subscription.ListEntry, note Note) error {
		for _, what := range note.Unreadable {
			totals["unreadable:"+what]++
		}
		if note.Duplicate {
			totals["duplicate"]++
			return nil
		}
		if part.Entries = append(part.Entries, e); len(part.Entries) < operate.MaxEntries {
			return nil
		}
		return send()
	})
	if err == nil {
		err = send()
	}
	return totals, err
}

func (b *bundle) expect(got map[string]int, want string) {
	b.Helper()
	if text := fmt.Sprint(got); text != "map["+want+"]" {
		b.Errorf("%s, want map[%s]", text, want)
	}
}

// readAll returns the people of a list.
func readAll(list string) ([]subscription.ListEntry, error) {
	people, _, err := readNotes(list, Options{})
	return people, err
}

func readNotes(list string, o Options) (people []subscription.ListEntry, notes []Note, err error) {
	l, err := Open(strings.NewReader(list), o)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	return people, notes, l.Entries(func(e subscription.ListEntry, n Note) error {
		people, notes = append(people, e), append(notes, n)
		return nil
	})
}
