package alert

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

const (
	// redisKey is the key of the alerts and their notifications, which expire after redisLifetime.
	redisKey      = "alert:{database}"
	redisLifetime = 7 * 24 * time.Hour
)

// A RedisStore keeps alerts that PostgreSQL cannot keep because it is lost: in Redis, or in the memory of this
// environment while Redis is lost too. A resolved alert moves to the Store. It is safe for concurrent use.
type RedisStore struct {
	client redis.UniversalClient // nil: memory only
	store  *Store

	mu       sync.Mutex
	memory   []entry
	shared   bool               // Redis has what memory has
	archived map[uuid.UUID]bool // a Redis that was lost meanwhile may still have these
}

// NewRedisStore returns a RedisStore; the store supplies the thresholds and the clock, and archives resolved alerts.
func NewRedisStore(client redis.UniversalClient, store *Store) *RedisStore {
	return &RedisStore{client: client, store: store, archived: map[uuid.UUID]bool{}}
}

// An entry is a firing alert and its last notification.
type entry struct {
	Alert        Alert        `json:"alert"`
	Notification Notification `json:"notification"`
}

// A Notification is sent to each destination once. Attempts are repeated until all accept it or the next one replaces
// it.
type Notification struct {
	ID          uuid.UUID `json:"id"`
	Alert       Alert     `json:"-"`
	Stage       Stage     `json:"stage"`
	DeliveredTo []string  `json:"delivered_to"`
	AttemptedAt time.Time `json:"attempted_at"`
}

// Evaluate advances the alerts by what was found.
func (s *RedisStore) Evaluate(ctx context.Context, found ...Finding) (Transitions, error) {
	return s.store.config.evaluate(ctx, s, found, nil, s.store.now)
}

// Update implements storage. A notification waits for Claim; that of a resolved alert is an outbox message.
func (s *RedisStore) Update(ctx context.Context, advance func(firing []Alert) Transitions) error {
	return s.change(ctx, func(entries []entry) (next []entry, err error) {
		firing := make([]Alert, len(entries))
		for i, e := range entries {
			firing[i] = e.Alert
		}
		for _, t := range advance(firing) {
			if t.Notify == Resolved {
				if err := s.store.archive(ctx, t.Alert); err != nil {
					return nil, err
				}
				s.archived[t.ID] = true
				continue
			}
			e := entry{Alert: t.Alert}
			if i := slices.IndexFunc(entries, func(e entry) bool { return e.Alert.ID == t.ID }); i >= 0 {
				e.Notification = entries[i].Notification
			}
			if t.Notify != None {
				e.Notification = Notification{ID: uuid.Must(uuid.NewV7()), Stage: t.Notify}
			}
			next = append(next, e)
		}
		return next, nil
	})
}

// Claim returns the last notification of each firing alert and marks it as attempted now, unless an attempt was made
// within the interval: then the caller that made it will deliver it. Of concurrent callers one receives a notification.
func (s *RedisStore) Claim(ctx context.Context, interval time.Duration) (claimed []Notification, err error) {
	err = s.change(ctx, func(entries []entry) ([]entry, error) {
		claimed = nil
		now := s.store.now()
		for i, e := range entries {
			if now.Sub(e.Notification.AttemptedAt) < interval {
				continue
			}
			entries[i].Notification.AttemptedAt = now
			e.Notification.Alert = e.Alert
			claimed = append(claimed, e.Notification)
		}
		return entries, nil
	})
	return claimed, err
}

// Delivered records the destinations to which a notification was delivered.
func (s *RedisStore) Delivered(ctx context.Context, id uuid.UUID, destinations []string) error {
	return s.change(ctx, func(entries []entry) ([]entry, error) {
		for i := range entries {
			if n := &entries[i].Notification; n.ID == id {
				n.DeliveredTo = append(n.DeliveredTo, destinations...)
			}
		}
		return entries, nil
	})
}

// change replaces the entries by what next returns of them, again after a conflict with another environment. Its error
// is that of next: an error of Redis means that the entries are those of this environment.
func (s *RedisStore) change(ctx context.Context, next func([]entry) ([]entry, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.client != nil {
		var failed error
		var entries []entry
		err := s.client.Watch(ctx, func(tx *redis.Tx) error {
			known, err := s.load(tx.Get(ctx, redisKey))
			if err != nil {
				return err
			}
			before := len(known)
			if entries, failed = next(known); failed != nil || before == 0 && len(entries) == 0 {
				return failed
			}
			return save(ctx, tx, entries)
		}, redisKey)
		switch {
		case failed != nil:
			return failed
		case err == nil:
			s.memory, s.shared = entries, true
			return nil
		case !errors.Is(err, redis.TxFailedErr):
			return s.changeMemory(next)
		}
	}
	return s.changeMemory(next)
}

func (s *RedisStore) changeMemory(next func([]entry) ([]entry, error)) error {
	entries, err := next(slices.Clone(s.memory))
	if err == nil {
		s.memory, s.shared = entries, false
	}
	return err
}

// load returns the entries in Redis, or those of this environment if Redis was lost when they were saved.
func (s *RedisStore) load(reply *redis.StringCmd) (entries []entry, err error) {
	text, err := reply.Bytes()
	switch {
	case errors.Is(err, redis.Nil) && s.shared: // another environment archived them
		return nil, nil
	case errors.Is(err, redis.Nil):
		return slices.Clone(s.memory), nil
	case err != nil:
		return nil, err
	}
	if unreadable := json.Unmarshal(text, &entries); unreadable != nil { // written by another version
		return slices.Clone(s.memory), nil //nolint:nilerr // it is written anew
	}
	return slices.DeleteFunc(entries, func(e entry) bool { return s.archived[e.Alert.ID] }), nil
}

func save(ctx context.Context, tx *redis.Tx, entries []entry) error {
	text, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
		if len(entries) == 0 {
			return p.Del(ctx, redisKey).Err()
		}
		return p.Set(ctx, redisKey, text, redisLifetime).Err()
	})
	return err
}
