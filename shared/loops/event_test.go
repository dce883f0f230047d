package loops

import (
	"strings"
	"testing"
	"time"
)

func TestReadEvent(t *testing.T) {
	const unsubscribed = `{"eventName":"contact.unsubscribed","eventTime":1734425918,"webhookSchemaVersion":"1.0.0","contactIdentity":{"id":"c1","email":"jane@example.org","userId":null}}`
	for name, want := range map[string]Report{
		"contact.unsubscribed": Left, "contact.mailingList.unsubscribed": Left, "email.unsubscribed": Left,
		"email.hardBounced": Bounced, "email.spamReported": Complained,
		"contact.created": Irrelevant, "contact.deleted": Irrelevant, "contact.mailingList.subscribed": Irrelevant, "campaign.email.sent": Irrelevant,
		"loop.email.sent": Irrelevant, "transactional.email.sent": Irrelevant, "email.delivered": Irrelevant, "email.softBounced": Irrelevant,
		"email.opened": Irrelevant, "email.clicked": Irrelevant, "email.resubscribed": Irrelevant, "testing.testEvent": Irrelevant, "newer.event": Irrelevant,
	} {
		got, err := ReadEvent([]byte(strings.Replace(unsubscribed, "contact.unsubscribed", name, 1)))
		if want := (Event{want, name, time.Unix(1734425919, 0).UTC(), "jane@example.org"}); err != nil || got != want {
			t.Errorf("%+v %v, want %+v", got, err, want)
		}
	}
	for _, body := range []string{"", "null", "[]", "{}", unsubscribed[:40], strings.Replace(unsubscribed, "1.0.0", "1.0.1", 1), strings.Replace(unsubscribed, "1734425918", `"now"`, 1)} {
		if got, err := ReadEvent([]byte(body)); err == nil {
			t.Errorf("%q: %+v", body, got)
		}
	}
	if got, err := ReadEvent([]byte(`{"eventName":"email.unsubscribed","webhookSchemaVersion":"1.0.0"}`)); err != nil || got.Report != Irrelevant {
		t.Errorf("about nobody: %+v %v", got, err)
	}
}
