package subscription

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// Origin is where a sign-up came from, as far as the data is still kept.
type Origin struct {
	Mailbox   string
	IP        netip.Addr // the zero Addr if unknown
	UserAgent string
	Source    string // the campaign, or the page
}

const originsSQL = `
select e.id::text, s.email, coalesce(host(c.ip), ''), coalesce(c.user_agent, ''), coalesce(c.source, e.source)::text
from ledger_events e
join subscribers s on s.id = e.subscriber_id
left join event_context c on c.event_id = e.id
where e.id = any($1::text[]::uuid[]) and e.kind = 'subscription.requested'`

// Origins reads the origins of sign-ups by their event ids, in one round trip. It omits other events, and sign-ups whose
// subscriber is not stored. The error is the database's.
func (s *Store) Origins(ctx context.Context, eventIDs ...uuid.UUID) (map[uuid.UUID]Origin, error) {
	ids := make([]string, len(eventIDs))
	for i, id := range eventIDs {
		ids[i] = id.String()
	}
	var found map[uuid.UUID]Origin
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		found = make(map[uuid.UUID]Origin, len(ids))
		b.Queue(originsSQL, ids).Query(func(rows pgx.Rows) error {
			var id uuid.UUID
			var o Origin
			var ip, source string
			_, err := pgx.ForEachRow(rows, []any{&id, &o.Mailbox, &ip, &o.UserAgent, &source}, func() error {
				from := ledger.ParseSource(source)
				o.Source = cmp.Or(from.Campaign, from.Page)
				o.IP = netip.Addr{}
				if ip != "" {
					var err error
					if o.IP, err = netip.ParseAddr(ip); err != nil {
						return err
					}
				}
				found[id] = o
				return nil
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read origins of sign-ups: %w", err)
	}
	return found, nil
}
