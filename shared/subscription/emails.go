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
	ReconfirmEmail         Email = "reconfirm"          // asks someone who waited on an imported list once more
)

// An emailRow is everything that depends on the kind of an email. The state machine, the budgets, CheckSend, the outbox
// and deliver derive from it.
type emailRow struct {
	email Email
	// loggedAs is the email that the email log records. Of several waiting ones for a mailbox, one is sent.
	loggedAs Email
	// link is what the button's link allows; 0 without a button.
	link token.Purpose
	// budget is the mailbox budget, which emails may share; nil outside of it.
	budget *budget
	// repeat drops an email that was requested less than this long after a sent one of the same epoch; 0 for never.
	repeat time.Duration
	// states are those of subscribers who may receive it.
	states []State
	// anyEpoch allows it in another epoch than that of its decision. Its link is signed for the epoch at sending.
	anyEpoch bool
	// renews means that the reader of an earlier email asked for it by the link there. Renew limits it.
	renews bool
	// imported means that the owner's import causes it. It waits for the rate and the sending circuit breaker, as long as
	// these take, and counts in no budget.
	imported bool
}

var emailRows = []emailRow{
	{
		email: ConfirmEmail, loggedAs: ConfirmEmail, link: token.Confirm, budget: signUpBudget, repeat: confirmRepeat,
		states: []State{Pending},
	},
	{
		email: ReminderEmail, loggedAs: ConfirmEmail, link: token.Confirm, budget: signUpBudget, repeat: confirmRepeat,
		states: []State{Pending},
	},
	{
		email: RectifyEmail, loggedAs: RectifyEmail, link: token.Confirm, budget: signUpBudget,
		states: []State{Pending},
	},
	{
		email: AlreadySubscribedEmail, loggedAs: AlreadySubscribedEmail, budget: signUpBudget, repeat: noticeRepeat,
		states: []State{Active},
	},
	{
		email: UnsubscribeLinkEmail, loggedAs: UnsubscribeLinkEmail, link: token.Unsubscribe, budget: rightsBudget,
		states: []State{Pending, Active}, anyEpoch: true,
	},
	{
		email: ExportLinkEmail, loggedAs: ExportLinkEmail, link: token.Export, budget: rightsBudget,
		states: []State{Pending, Active, Unsubscribed}, anyEpoch: true,
	},
	{
		email: EraseLinkEmail, loggedAs: EraseLinkEmail, link: token.Erase, budget: rightsBudget,
		states: []State{Pending, Active, Unsubscribed}, anyEpoch: true,
	},
	{
		email: NewConfirmEmail, loggedAs: NewConfirmEmail, link: token.Confirm,
		states: []State{Pending}, renews: true,
	},
	{
		email: NewExportEmail, loggedAs: NewExportEmail, link: token.Export,
		states: []State{Pending, Active, Unsubscribed}, renews: true,
	},
	{
		email: NewEraseEmail, loggedAs: NewEraseEmail, link: token.Erase,
		states: []State{Pending, Active, Unsubscribed}, renews: true,
	},
	{
		email: ReconfirmEmail, loggedAs: ReconfirmEmail, link: token.Confirm,
		states: []State{Pending}, imported: true,
	},
}

// A budget limits the emails to one canonical mailbox. CheckSend alone counts them, so no answer depends on it. The
// reasons for the numbers are in docs/adr/0035.
type budget struct {
	unconfirmed, confirmed []limit // of a mailbox without and with an active subscription
}

// A limit is a maximum number of emails within a period.
type limit struct {
	emails int
	within time.Duration
}

const oneDay = 24 * time.Hour

var (
	// signUpBudget is for the emails that a sign-up causes, and reminders.
	signUpBudget = &budget{
		unconfirmed: []limit{{2, oneDay}, {3, 7 * oneDay}, {5, 30 * oneDay}},
		confirmed:   []limit{{3, oneDay}, {10, 30 * oneDay}},
	}
	// rightsBudget is a reserve for links to unsubscribe and to personal data.
	rightsBudget = &budget{
		unconfirmed: []limit{{1, oneDay}, {2, 30 * oneDay}},
		confirmed:   []limit{{3, oneDay}, {10, 30 * oneDay}},
	}
)

const (
	// budgetPeriod is the longest period of a budget.
	budgetPeriod = 30 * oneDay
	// confirmRepeat and noticeRepeat are the times after a sent email for which another one would say the same.
	confirmRepeat = 15 * time.Minute
	noticeRepeat  = oneDay
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

// isAskedFor reports whether the subscriber asked for the email itself.
func (r emailRow) isAskedFor() bool { return r.budget != signUpBudget && !r.imported }

// Emails returns every email of this version.
func Emails() []Email {
	all := make([]Email, len(emailRows))
	for i, r := range emailRows {
		all[i] = r.email
	}
	return all
}

// SignUpKinds returns the kinds of the emails that anyone can cause to any address, and of those that an import causes. All
// others go to a mailbox that the system knows, because its owner asked for them.
func SignUpKinds() []outbox.Kind {
	var all []outbox.Kind
	for _, r := range emailRows {
		if !r.isAskedFor() {
			all = append(all, r.email.Kind())
		}
	}
	return all
}

// EmailOf returns the email that a kind of message sends; NoEmail for other messages and for emails of a newer version.
func EmailOf(kind outbox.Kind) Email {
	name, _ := strings.CutPrefix(string(kind), outbox.EmailPrefix)
	if e := Email(name).row().email; e.Kind() == kind {
		return e
	}
	return NoEmail
}

// kinds returns the kinds of message that the email log records like r.
func (r emailRow) kinds() []string {
	var kinds []string
	for _, other := range emailRows {
		if other.loggedAs == r.loggedAs {
			kinds = append(kinds, string(other.email.Kind()))
		}
	}
	return kinds
}

// purposes returns the names in the email log of the emails that share b.
func (b *budget) purposes() []string {
	var names []string
	for _, r := range emailRows {
		if r.budget == b && !slices.Contains(names, string(r.loggedAs)) {
			names = append(names, string(r.loggedAs))
		}
	}
	return names
}
