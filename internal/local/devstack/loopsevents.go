package devstack

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LoopsSigningSecret is the secret by which the fake of Loops signs its events.
const LoopsSigningSecret = "whsec_bG9jYWwtbG9vcHMtc2lnbmluZy1zZWNyZXQ="

// LoopsEvent is an event of Loops as it is sent (loops.so/docs/webhooks). It has the same ID at every try.
type LoopsEvent struct {
	ID   string
	Body []byte
}

// Request returns the signed call of an event at a time.
func (e LoopsEvent) Request(ctx context.Context, url string, at time.Time) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(e.Body))
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(LoopsSigningSecret, "whsec_"))
	if err != nil {
		return nil, err
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(e.ID + "." + timestamp + "."))
	mac.Write(e.Body)
	request.Header = http.Header{
		"Content-Type": {"application/json"}, "Webhook-Id": {e.ID}, "Webhook-Timestamp": {timestamp},
		"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
	return request, nil
}

// Events returns all events since the start, also those that are sent.
func (l *Loops) Events() []LoopsEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

// emit adds an event about a contact. The caller holds the lock.
func (l *Loops) emit(name string, c *LoopsContact, members map[string]any) {
	event := map[string]any{
		"eventName": name, "eventTime": time.Now().Unix(), "webhookSchemaVersion": "1.0.0",
		"contactIdentity": map[string]any{"id": c.ID, "email": c.Email, "userId": c.UserID},
	}
	maps.Copy(event, members)
	body, err := json.Marshal(event)
	if err != nil {
		return
	}
	l.events = append(l.events, LoopsEvent{fmt.Sprintf("msg_local%08d", len(l.events)+1), body})
}

// emitChange adds the events of a change from before, nil for a new contact, to after, nil for a deleted one.
func (l *Loops) emitChange(before, after *LoopsContact) {
	switch {
	case before == nil:
		l.emit("contact.created", after, map[string]any{"contact": after})
		before = &LoopsContact{Subscribed: after.Subscribed}
	case after == nil:
		l.emit("contact.unsubscribed", before, nil)
		l.emit("contact.deleted", before, nil)
		return
	}
	if before.Subscribed && !after.Subscribed {
		l.emit("contact.unsubscribed", after, nil)
	}
	for id := range after.MailingLists {
		if !before.MailingLists[id] {
			l.emit("contact.mailingList.subscribed", after, mailingList(id))
		}
	}
	for id := range before.MailingLists {
		if !after.MailingLists[id] {
			l.emit("contact.mailingList.unsubscribed", after, mailingList(id))
		}
	}
}

func mailingList(id string) map[string]any {
	return map[string]any{"mailingList": map[string]any{"id": id, "name": id, "description": nil, "isPublic": true}}
}

// React makes the reader of an issue that the owner sent by Loops press its link ("email.unsubscribed"), report it
// ("email.spamReported") or open it ("email.opened"), or makes it bounce ("email.hardBounced"). All but opening it
// unsubscribe the contact. It reports whether there is such a contact.
func (l *Loops) React(email, event string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.find("email", email)
	if c == nil {
		return false
	}
	l.emit(event, c, map[string]any{
		"sourceType": "campaign", "campaignId": "issue1",
		"email": map[string]string{"id": "mail-" + c.ID, "emailMessageId": "issue1", "subject": "The first issue"},
	})
	if event != "email.opened" && c.Subscribed {
		before := *c
		c.Subscribed = false
		l.emitChange(&before, c)
	}
	return true
}

// sendEvents sends the events to an endpoint, in order, each until it is accepted, until ctx ends. Loops sends at most
// ten a second.
func (l *Loops) sendEvents(ctx context.Context, url string) {
	for next := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second / 10):
		}
		all := l.Events()
		if next == len(all) {
			continue
		}
		request, err := all[next].Request(ctx, url, time.Now())
		if err != nil {
			return
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			continue
		}
		_ = answer.Body.Close()
		switch answer.StatusCode / 100 {
		case 2:
			next++
		case 4:
			l.problem(fmt.Sprintf("an event got %d", answer.StatusCode))
			next++
		}
	}
}
