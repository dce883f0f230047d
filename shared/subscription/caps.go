package subscription

import (
	"slices"
	"time"

	"newsletter/shared/outbox"
)

// Purpose is why an email goes to an address that somebody typed.
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

// capWindow is the time over which emails to an address are counted.
const capWindow = 24 * time.Hour

// mailLifetime is how long an email may wait before it is sent: a weekend without an email service loses nobody, and what a
// mail says is no longer true after as long as a request waits. A notice is old after a day.
const (
	mailLifetime   = PendingLifetime
	noticeLifetime = capWindow
)

// confirmPause is the least time between two confirmation emails to an address.
const confirmPause = 15 * time.Minute

// mailCap bounds the emails of some purposes, together, to one folded address within capWindow.
type mailCap struct {
	purposes []Purpose
	limit    int
	pause    time.Duration // between two of them; 0 for none
	lifetime time.Duration // how long one may wait to be sent
}

// caps returns the bounds on mail to strangers. They are counted in the transaction that queues an email, so they hold whatever
// happens to the rate limiter, and again before it is sent, so they hold for what waited as well.
func caps(p Purpose) (mailCap, bool) {
	switch p {
	case ConfirmEmail:
		return mailCap{[]Purpose{ConfirmEmail}, 3, confirmPause, mailLifetime}, true
	case AlreadySubscribedEmail:
		return mailCap{[]Purpose{AlreadySubscribedEmail}, 1, 0, noticeLifetime}, true
	case UnsubscribeLinkEmail:
		return mailCap{[]Purpose{UnsubscribeLinkEmail}, 2, 0, mailLifetime}, true
	case ExportLinkEmail, EraseLinkEmail:
		return mailCap{[]Purpose{ExportLinkEmail, EraseLinkEmail}, 2, 0, mailLifetime}, true
	case NoEmail:
	}
	return mailCap{}, false
}

// SentEmails is what was queued for or sent to a folded address within the last 24 h.
type SentEmails struct {
	Now  time.Time
	Sent map[Purpose]Sent
	// DomainFull means that enough emails went to strangers at the address's domain within the last hour.
	DomainLimitReached bool
}

// Sent is how many emails of a purpose there were within the last 24 h, and when the last one was queued or sent.
type Sent struct {
	Count int
	Last  time.Time
}

// Allows reports whether a further email of a purpose is within the bounds.
func (m SentEmails) Allows(p Purpose) bool {
	bound, found := caps(p)
	if !found || m.DomainLimitReached && slices.Contains(toStrangers, string(p)) {
		return false
	}
	count, last := 0, time.Time{}
	for _, purpose := range bound.purposes {
		sent := m.Sent[purpose]
		count += sent.Count
		if sent.Last.After(last) {
			last = sent.Last
		}
	}
	return count < bound.limit && (last.IsZero() || m.Now.Sub(last) >= bound.pause)
}

// kind returns the outbox row that sends an email of a purpose.
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

// purposeOf returns the purpose of an outbox row; NoEmail for rows that are no emails, and for kinds of a newer version.
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
