package engagement

import (
	"maps"
	"slices"
	"strings"
)

// consequence is the consequence of a bounce or complaint. Each is recorded.
type consequence struct {
	suppress bool // the mailbox is suppressed
	counts   bool // toward the sending circuit breaker
}

// permanent is the type of permanent bounces.
const permanent = "Permanent"

var (
	harmful  = consequence{suppress: true, counts: true}
	listed   = consequence{suppress: true} // SES sent nothing, so it does not count
	recorded = consequence{}
)

// bounces lists the consequences by type and subtype (SES developer guide, "Contents of event data that Amazon SES
// publishes to Amazon SNS", "Bounce types"). An address on SES's global suppression list counts toward the account's
// bounce rate ("Suppressed"; "Amazon SES global suppression list"), one on the account's or a tenant's own list does
// not. SES's validation is only a guess. Transient bounces include automatic replies.
var bounces = map[string]consequence{
	"Undetermined/Undetermined":           recorded,
	"Permanent/General":                   harmful,
	"Permanent/NoEmail":                   harmful,
	"Permanent/Suppressed":                harmful,
	"Permanent/OnAccountSuppressionList":  listed,
	"Permanent/OnTenantSuppressionList":   listed,
	"Permanent/EmailValidationSuppressed": recorded,
	"Transient/General":                   recorded,
	"Transient/MailboxFull":               recorded,
	"Transient/MessageTooLarge":           recorded,
	"Transient/CustomTimeoutExceeded":     recorded,
	"Transient/ContentRejected":           recorded,
	"Transient/AttachmentRejected":        recorded,
}

// complaints lists the consequences by the type of the report (same page, "Complaint types", which are those of RFC
// 5965 and RFC 6591), or by complaintSubType if SES did not send the email. "not-spam" is a subscriber who moved an
// email out of the spam folder; "auth-failure" and "virus" are automatic reports. "other" may come from a person, so it
// counts.
var complaints = map[string]consequence{
	"abuse":                    harmful,
	"fraud":                    harmful,
	"other":                    harmful,
	"not-spam":                 recorded,
	"auth-failure":             recorded,
	"virus":                    recorded,
	"OnAccountSuppressionList": listed,
	"OnTenantSuppressionList":  listed,
}

// bounceConsequence returns the consequence of a bounce. An unknown subtype has that of its type.
func bounceConsequence(bounceType, subtype string) consequence {
	if v, known := bounces[bounceType+"/"+subtype]; known {
		return v
	}
	if bounceType == permanent {
		return harmful
	}
	return recorded
}

// complaintConsequence returns the consequence of a complaint. An unknown or missing type counts.
func complaintConsequence(complaintType string) consequence {
	if v, known := complaints[complaintType]; known {
		return v
	}
	return harmful
}

// uncounted lists the details with which a bounce or complaint does not count.
func uncounted(all map[string]consequence, prefix string) []string {
	var details []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if detail, found := strings.CutPrefix(key, prefix); found && !all[key].counts {
			details = append(details, detail)
		}
	}
	return details
}
