package engagement

import (
	"maps"
	"slices"
	"strings"
)

// verdict is what follows from a bounce or complaint. Each is recorded, whatever follows.
type verdict struct {
	suppress bool // no email goes to the mailbox any more
	counts   bool // toward the sending circuit breaker
}

// permanent is the type of a bounce that ends all others.
const permanent = "Permanent"

var (
	harm   = verdict{suppress: true, counts: true}
	listed = verdict{suppress: true} // SES sent nothing, so it says nothing new about the emails of today
	noted  = verdict{}
)

// bounces are the verdicts by type and subtype (SES developer guide, "Contents of event data that Amazon SES publishes to
// Amazon SNS", "Bounce types"). SES counts an address of its global suppression list toward the bounce rate of the account
// ("Suppressed"; "Amazon SES global suppression list"), and one of the account's or a tenant's own list not. A validation of
// SES is its guess about an address, not the word of a receiver. Transient bounces are what passes, and automatic replies.
var bounces = map[string]verdict{
	"Undetermined/Undetermined":           noted,
	"Permanent/General":                   harm,
	"Permanent/NoEmail":                   harm,
	"Permanent/Suppressed":                harm,
	"Permanent/OnAccountSuppressionList":  listed,
	"Permanent/OnTenantSuppressionList":   listed,
	"Permanent/EmailValidationSuppressed": noted,
	"Transient/General":                   noted,
	"Transient/MailboxFull":               noted,
	"Transient/MessageTooLarge":           noted,
	"Transient/CustomTimeoutExceeded":     noted,
	"Transient/ContentRejected":           noted,
	"Transient/AttachmentRejected":        noted,
}

// complaints are the verdicts by what a report says it is (same page, "Complaint types", which are those of RFC 5965 and
// RFC 6591), or by complaintSubType where SES sent nothing. "not-spam" is a person who took an email out of the spam folder;
// "auth-failure" and "virus" are reports of machines about emails, which say nothing of what a person wants. "other" may
// be a person: who may have complained is believed.
var complaints = map[string]verdict{
	"abuse":                    harm,
	"fraud":                    harm,
	"other":                    harm,
	"not-spam":                 noted,
	"auth-failure":             noted,
	"virus":                    noted,
	"OnAccountSuppressionList": listed,
	"OnTenantSuppressionList":  listed,
}

// judgeBounce judges a subtype that AWS adds later by its type.
func judgeBounce(bounceType, subtype string) verdict {
	if v, known := bounces[bounceType+"/"+subtype]; known {
		return v
	}
	if bounceType == permanent {
		return harm
	}
	return noted
}

// judgeComplaint believes a complaint without a type, or of one that is new.
func judgeComplaint(complaintType string) verdict {
	if v, known := complaints[complaintType]; known {
		return v
	}
	return harm
}

// uncounted lists the details of a type with which a bounce or complaint does not count.
func uncounted(verdicts map[string]verdict, prefix string) []string {
	var details []string
	for _, key := range slices.Sorted(maps.Keys(verdicts)) {
		if detail, found := strings.CutPrefix(key, prefix); found && !verdicts[key].counts {
			details = append(details, detail)
		}
	}
	return details
}
