package subscription

import (
	"context"
	"errors"
	"sync"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/postgres"
)

// A recorder records the statements of each transaction.
type recorder struct {
	database
	mu     sync.Mutex
	first  []string
	second []string
}

func (r *recorder) Transact(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error {
	note := func(into *[]string, b *pgx.Batch) {
		r.mu.Lock()
		defer r.mu.Unlock()
		*into = nil
		for _, q := range b.QueuedQueries {
			*into = append(*into, q.SQL)
		}
	}
	return r.database.Transact(ctx, lock,
		func(b *pgx.Batch) { load(b); note(&r.first, b) },
		func(b *pgx.Batch) error {
			err := decide(b)
			note(&r.second, b)
			return err
		})
}

// lostAnswer commits and then runs the transaction again, as after a lost answer.
type lostAnswer struct{ database }

func (l lostAnswer) Transact(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error {
	if err := l.database.Transact(ctx, lock, load, decide); err != nil {
		return err
	}
	return l.database.Transact(ctx, lock, load, decide)
}

// between calls do between the reads and the writes of the first transaction.
type between struct {
	database
	once *sync.Once
	do   func()
}

func (m between) Transact(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error {
	return m.database.Transact(ctx, lock, load, func(b *pgx.Batch) error {
		m.once.Do(m.do)
		return decide(b)
	})
}

// try retries do while another transaction holds the lock, as a client would.
func try(ctx context.Context, do func() error) error {
	for {
		err := do()
		if !errors.Is(err, postgres.ErrBusy) || ctx.Err() != nil {
			return err
		}
	}
}

// afterFirstRead calls do after each Batch.
type afterFirstRead struct {
	database
	do func()
}

func (a afterFirstRead) Batch(ctx context.Context, queue func(*pgx.Batch)) error {
	err := a.database.Batch(ctx, queue)
	a.do()
	return err
}
