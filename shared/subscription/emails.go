package subscription

import (
	"slices"
	"strings"
	"time"

	"newsletter/shared/outbox"
	"newsletter/shared/token"
)

// Email is a kind of email, by the name of its texts in the catalog.
type Email string

// The emails. Their names are stored and never change.
const (
	NoEmail                Email = ""                   // recorded as "none"
	ConfirmEmail           Email = "confirm"            // asks the addressee to confirm a sign-up
	ReminderEmail          Email = "reminder"           // repeats that request once
	AlreadySubscribedEmail Email = "already_subscribed" // informs a subscriber of another sign-up with their address
	UnsubscribeLinkEmail   Email = "unsubscribe_link"   // has a link that ends the subscription
	ExportLinkEmail        Email = "privacy_export"     // has a link to the subscriber's data
	EraseLinkEmail         Email = "privacy_erase"      // has a link to the page that erases the data
	RectifyEmail           Email = "rectify"            // asks the reader of a subscriber's new address to confirm it
	NewConfirmEmail        Email = "renewed_confirm"    // has a new confirm link, for the reader of an expired one
	NewExportEmail         Email = "renewed_export"     // the same for a link to the data
	NewEraseEmail          Email = "renewed_erase"      // the same for a link to the erasure
)

// An emailRow is everything that depends on the kind of an email. The state machine, the budgets, CheckSend, the outbox
// and deliver derive from it.
type emailRow struct {
	email Email
	// loggedAs is the email that the email log records. Of several waiting ones, only the newest is sent.
	loggedAs Email
	// link is what the button's link allows; 0 without a button.
	link token.Purpose
	// budget is the mailbox budget, which emails may share.
	budget *budget
	// lifetime limits how long the email may wait before it is sent.
	lifetime time.Duration
	// states are those of subscribers who may receive it.
	states []State
	// anyEpoch allows it in another epoch than that of its decision. Its link is signed for the epoch at sending.
	anyEpoch bool
	// anyAddress means that anyone can trigger it to any address, so that the domain limit counts it.
	anyAddress bool
	// renews means that the reader of an earlier email asked for it by the link there.
	renews bool
}

var emailRows = []emailRow{
	{
		email: ConfirmEmail, loggedAs: ConfirmEmail, link: token.Confirm, budget: confirmBudget, lifetime: emailLifetime,
		states: []State{Pending}, anyAddress: true,
	},
	{
		email: ReminderEmail, loggedAs: ConfirmEmail, link: token.Confirm, budget: confirmBudget, lifetime: emailLifetime,
		states: []State{Pending}, anyAddress: true,
	},
	{
		email: RectifyEmail, loggedAs: ConfirmEmail, link: token.Confirm, budget: confirmBudget, lifetime: emailLifetime,
		states: []State{Pending}, anyAddress: true,
	},
	{
		email: AlreadySubscribedEmail, loggedAs: AlreadySubscribedEmail, budget: noticeBudget, lifetime: noticeLifetime,
		states: []State{Active}, anyAddress: true,
	},
	{
		email: UnsubscribeLinkEmail, loggedAs: UnsubscribeLinkEmail, link: token.Unsubscribe, budget: unsubscribeBudget,
		lifetime: emailLifetime, states: []State{Pending, Active}, anyEpoch: true,
	},
	{
		email: ExportLinkEmail, loggedAs: ExportLinkEmail, link: token.Export, budget: privacyBudget,
		lifetime: emailLifetime, states: []State{Pending, Active, Unsubscribed}, anyEpoch: true,
	},
	{
		email: EraseLinkEmail, loggedAs: EraseLinkEmail, link: token.Erase, budget: privacyBudget,
		lifetime: emailLifetime, states: []State{Pending, Active, Unsubscribed}, anyEpoch: true,
	},
	{
		email: NewConfirmEmail, loggedAs: NewConfirmEmail, link: token.Confirm, budget: renewalBudget, lifetime: emailLifetime,
		states: []State{Pending}, renews: true,
	},
	{
		email: NewExportEmail, loggedAs: NewExportEmail, link: token.Export, budget: renewalBudget, lifetime: emailLifetime,
		states: []State{Pending, Active, Unsubscribed}, renews: true,
	},
	{
		email: NewEraseEmail, loggedAs: NewEraseEmail, link: token.Erase, budget: renewalBudget, lifetime: emailLifetime,
		states: []State{Pending, Active, Unsubscribed}, renews: true,
	},
}

// A budget limits the emails to one canonical mailbox within budgetWindow. The transaction that enqueues an email
// counts them, independently of the rate limiter, and CheckSend counts them again before the email is sent, so the
// budget also limits emails that waited.
type budget struct {
	limit int
	pause time.Duration // minimum time between two of them; 0 for none
}

var (
	confirmBudget     = &budget{limit: 3, pause: confirmPause}
	noticeBudget      = &budget{limit: 1}
	unsubscribeBudget = &budget{limit: 2}
	privacyBudget     = &budget{limit: 2}
	// Renew has further limits, over longer times.
	renewalBudget = &budget{limit: 3, pause: confirmPause}
)

const (
	// budgetWindow is the period over which the emails to a mailbox are counted.
	budgetWindow = 24 * time.Hour
	// confirmPause is the minimum time between two confirmation emails to a mailbox.
	confirmPause = 15 * time.Minute
	// emailLifetime covers a weekend without an email service. A notice is outdated after a day.
	emailLifetime  = 7 * 24 * time.Hour
	noticeLifetime = budgetWindow
)

// Kind returns the kind of the message that sends e; outbox.None for NoEmail.
func (e Email) Kind() outbox.Kind {
	if e == NoEmail {
		return outbox.None
	}
	return outbox.Kind(outbox.EmailPrefix + string(e))
}

// Link returns what the link of the email's button allows; 0 without a button.
func (e Email) Link() token.Purpose { return e.row().link }

// row returns the row of e; the zero row for NoEmail.
func (e Email) row() emailRow {
	i := slices.IndexFunc(emailRows, func(r emailRow) bool { return r.email == e })
	if i < 0 {
		return emailRow{}
	}
	return emailRows[i]
}

// Emails returns every email of this version.
func Emails() []Email {
	all := make([]Email, len(emailRows))
	for i, r := range emailRows {
		all[i] = r.email
	}
	return all
}

// SignUpKinds returns the kinds of the emails that anyone can cause to any address. All others go to a mailbox that the
// system knows, because its owner asked for them.
func SignUpKinds() []outbox.Kind {
	var all []outbox.Kind
	for _, r := range emailRows {
		if r.anyAddress {
			all = append(all, r.email.Kind())
		}
	}
	return all
}

// Lifetime returns how long e may wait before it is sent.
func (e Email) Lifetime() time.Duration { return e.row().lifetime }

// EmailOf returns the email that a kind of message sends; NoEmail for other messages and for emails of a newer version.
func EmailOf(kind outbox.Kind) Email {
	name, _ := strings.CutPrefix(string(kind), outbox.EmailPrefix)
	if e := Email(name).row().email; e.Kind() == kind {
		return e
	}
	return NoEmail
}

// logged returns the names in the email log of the emails that match.
func logged(match func(emailRow) bool) []string {
	var names []string
	for _, r := range emailRows {
		if match(r) && !slices.Contains(names, string(r.loggedAs)) {
			names = append(names, string(r.loggedAs))
		}
	}
	return names
}

// sharesBudget reports whether other is counted in the same budget.
func (r emailRow) sharesBudget(other emailRow) bool { return r.budget == other.budget }
