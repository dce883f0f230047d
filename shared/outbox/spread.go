package outbox

import (
	"encoding/hex"
	"time"

	"github.com/jackc/pgx/v5"
)

// Reconfirm is the kind of the email to those who waited on an imported list. No page promised a time for it, so MaxWait
// does not end it.
const Reconfirm Kind = EmailPrefix + "reconfirm"

// The messages follow those of the same kind that are not due yet, also of another transaction.
const insertSpreadSQL = `
with begin as (
    select greatest($1::timestamptz, (select max(due_at) from outbox where state = 'ready' and due_at > $1::timestamptz and kind = $2::text) + $3::interval) as at
)
insert into outbox (id, kind, subscriber_id, event_id, epoch, domain_hmac, due_at, deferred_until, created_at, state)
select l.id::uuid, $2::text, l.subscriber::uuid, l.event::uuid, l.epoch, decode(nullif(l.domain, ''), 'hex'),
       begin.at + (l.n - 1) * $3::interval, begin.at + (l.n - 1) * $3::interval, $1::timestamptz, 'ready'
from unnest($4::text[], $5::text[], $6::text[], $7::integer[], $8::text[]) with ordinality as l (id, subscriber, event, epoch, domain, n), begin
where exists (select from ledger_events e where e.id = l.event::uuid)
on conflict (id) do nothing`

// EnqueueSpread adds messages of one kind and one time to the caller's batch, of which one is due every so often. A
// message whose event is not in the ledger is left out.
func EnqueueSpread(b *pgx.Batch, kind Kind, messages []Message, every time.Duration) {
	if len(messages) == 0 {
		return
	}
	var ids, subscribers, events, domains []string
	var epochs []int32
	for _, m := range messages {
		ids, subscribers, events = append(ids, m.ID.String()), append(subscribers, m.SubscriberID.String()), append(events, m.EventID.String())
		epochs, domains = append(epochs, m.Epoch), append(domains, hex.EncodeToString(m.DomainHMAC))
	}
	b.Queue(insertSpreadSQL, messages[0].CreatedAt, string(kind), every, ids, subscribers, events, epochs, domains)
}
