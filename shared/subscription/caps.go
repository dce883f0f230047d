package subscription

import (
	"slices"
	"time"

	"newsletter/shared/outbox"
)

// Purpose is why a mail goes to an address that somebody typed.
type Purpose string

// The purposes of mails.
const (
	NoMail                Purpose = "" // stored as "none"
	ConfirmMail           Purpose = "confirm"
	AlreadySubscribedMail Purpose = "already_subscribed"
	UnsubscribeLinkMail   Purpose = "unsubscribe_link"
	ExportLinkMail        Purpose = "privacy_export"
	EraseLinkMail         Purpose = "privacy_erase"
)

// capWindow is the time over which mails to an address are counted.
const capWindow = 24 * time.Hour

// mailLifetime is how long a mail may wait before it is sent: a weekend without a mail service loses nobody, and what a
// mail says is no longer true after as long as a request waits. A notice is old after a day.
const (
	mailLifetime   = PendingLifetime
	noticeLifetime = capWindow
)

// confirmPause is the least time between two confirmation mails to an address.
const confirmPause = 15 * time.Minute

// mailCap bounds the mails of some purposes, together, to one folded address within capWindow.
type mailCap struct {
	purposes []Purpose
	limit    int
	pause    time.Duration // between two of them; 0 for none
	lifetime time.Duration // how long one may wait to be sent
}

// caps are the bounds on mail to strangers. They are counted in the transaction that queues a mail, so they hold whatever
// happens to the rate limiter, and again before it is sent, so they hold for what waited as well.
func caps(p Purpose) (mailCap, bool) {
	switch p {
	case ConfirmMail:
		return mailCap{[]Purpose{ConfirmMail}, 3, confirmPause, mailLifetime}, true
	case AlreadySubscribedMail:
		return mailCap{[]Purpose{AlreadySubscribedMail}, 1, 0, noticeLifetime}, true
	case UnsubscribeLinkMail:
		return mailCap{[]Purpose{UnsubscribeLinkMail}, 2, 0, mailLifetime}, true
	case ExportLinkMail, EraseLinkMail:
		return mailCap{[]Purpose{ExportLinkMail, EraseLinkMail}, 2, 0, mailLifetime}, true
	case NoMail:
	}
	return mailCap{}, false
}

// Mailed is what was queued for or sent to a folded address within the last 24 h.
type Mailed struct {
	Now  time.Time
	Sent map[Purpose]Sent
	// DomainFull says that enough mails went to strangers at the address's domain within the last hour.
	DomainFull bool
}

// Sent is how many mails of a purpose there were within the last 24 h, and when the last one was queued or sent.
type Sent struct {
	Count int
	Last  time.Time
}

// Allows says whether a further mail of a purpose is within the bounds.
func (m Mailed) Allows(p Purpose) bool {
	bound, found := caps(p)
	if !found || m.DomainFull && slices.Contains(toStrangers, string(p)) {
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

// kind is the outbox row that sends a mail of a purpose.
func (p Purpose) kind() outbox.Kind {
	switch p {
	case ConfirmMail:
		return outbox.EmailConfirm
	case AlreadySubscribedMail:
		return outbox.EmailAlreadySubscribed
	case UnsubscribeLinkMail:
		return outbox.EmailUnsubscribeLink
	case ExportLinkMail:
		return outbox.EmailPrivacyExport
	case EraseLinkMail:
		return outbox.EmailPrivacyErase
	case NoMail:
	}
	return outbox.None
}

// purposeOf is the purpose of an outbox row; NoMail for rows that are no mails, and for kinds of a newer version.
func purposeOf(kind outbox.Kind) Purpose {
	if kind == outbox.EmailReminder {
		return ConfirmMail
	}
	for _, p := range []Purpose{ConfirmMail, AlreadySubscribedMail, UnsubscribeLinkMail, ExportLinkMail, EraseLinkMail} {
		if p.kind() == kind {
			return p
		}
	}
	return NoMail
}
