package subscription

import (
	"slices"
	"time"

	"newsletter/shared/outbox"
)

// Purpose is the reason for an email to an address from a form.
type Purpose string

// The purposes of emails.
const (
	NoEmail                Purpose = "" // stored as "none"
	ConfirmEmail           Purpose = "confirm"
	AlreadySubscribedEmail Purpose = "already_subscribed"
	UnsubscribeLinkEmail   Purpose = "unsubscribe_link"
	ExportLinkEmail        Purpose = "privacy_export"
	EraseLinkEmail         Purpose = "privacy_erase"
)

// budgetWindow is the period over which the emails to a mailbox are counted.
const budgetWindow = 24 * time.Hour

// emailLifetime limits how long an email may wait before it is sent. It covers a weekend without an email service;
// after PendingLifetime, the request behind the email has expired. A notice is outdated after a day.
const (
	emailLifetime  = PendingLifetime
	noticeLifetime = budgetWindow
)

// confirmPause is the minimum time between two confirmation emails to a mailbox.
const confirmPause = 15 * time.Minute

// A budget limits the emails of its purposes together, to one canonical mailbox within budgetWindow.
type budget struct {
	purposes []Purpose
	limit    int
	pause    time.Duration // minimum time between two of them; 0 for none
	lifetime time.Duration // how long one may wait before it is sent
}

// budgetOf returns the mailbox budget of a purpose. The transaction that enqueues an email counts it, independently of
// the rate limiter, and CheckSend counts it again before the email is sent, so it also limits emails that waited.
func budgetOf(p Purpose) (budget, bool) {
	switch p {
	case ConfirmEmail:
		return budget{[]Purpose{ConfirmEmail}, 3, confirmPause, emailLifetime}, true
	case AlreadySubscribedEmail:
		return budget{[]Purpose{AlreadySubscribedEmail}, 1, 0, noticeLifetime}, true
	case UnsubscribeLinkEmail:
		return budget{[]Purpose{UnsubscribeLinkEmail}, 2, 0, emailLifetime}, true
	case ExportLinkEmail, EraseLinkEmail:
		return budget{[]Purpose{ExportLinkEmail, EraseLinkEmail}, 2, 0, emailLifetime}, true
	case NoEmail:
	}
	return budget{}, false
}

// SentEmails counts the emails that were queued for or sent to a canonical mailbox within the last 24 h.
type SentEmails struct {
	Now  time.Time
	Sent map[Purpose]Sent
	// DomainLimitReached is true when the emails to the address's domain reached DomainLimit within the last hour.
	DomainLimitReached bool
}

// Sent counts the emails of a purpose within the last 24 h. Last is when the last one was queued or sent.
type Sent struct {
	Count int
	Last  time.Time
}

// Allows reports whether another email of a purpose is within the mailbox budget and the domain limit.
func (m SentEmails) Allows(p Purpose) bool {
	b, found := budgetOf(p)
	if !found || m.DomainLimitReached && slices.Contains(formPurposes, string(p)) {
		return false
	}
	count, last := 0, time.Time{}
	for _, purpose := range b.purposes {
		sent := m.Sent[purpose]
		count += sent.Count
		if sent.Last.After(last) {
			last = sent.Last
		}
	}
	return count < b.limit && (last.IsZero() || m.Now.Sub(last) >= b.pause)
}

// kind returns the kind of the message that sends an email of a purpose.
func (p Purpose) kind() outbox.Kind {
	switch p {
	case ConfirmEmail:
		return outbox.EmailConfirm
	case AlreadySubscribedEmail:
		return outbox.EmailAlreadySubscribed
	case UnsubscribeLinkEmail:
		return outbox.EmailUnsubscribeLink
	case ExportLinkEmail:
		return outbox.EmailPrivacyExport
	case EraseLinkEmail:
		return outbox.EmailPrivacyErase
	case NoEmail:
	}
	return outbox.None
}

// purposeOf returns the purpose of a kind of message; NoEmail for other messages and for kinds of a newer version.
func purposeOf(kind outbox.Kind) Purpose {
	if kind == outbox.EmailReminder {
		return ConfirmEmail
	}
	for _, p := range []Purpose{ConfirmEmail, AlreadySubscribedEmail, UnsubscribeLinkEmail, ExportLinkEmail, EraseLinkEmail} {
		if p.kind() == kind {
			return p
		}
	}
	return NoEmail
}
