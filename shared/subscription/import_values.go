package subscription

import (
	"encoding/json"
	"time"

	"newsletter/shared/field"
	"newsletter/shared/ledger"
)

// importChannel is the channel of the events of an import.
const importChannel = "import"

// event returns the event of an entry. Its time of the consent, or of the end, is the list's; empty if unknown.
func (t *importTx) event(p *imported) ledger.Event {
	e := ledger.Event{Kind: p.d.Ledger, Data: ledger.Data{
		Outcome: string(p.d.Outcome), Provider: p.address.Provider, From: string(p.state.State), To: string(p.d.To), Returning: p.d.Returning,
		Locale: p.Locale.Short(),
	}}
	if reason := p.State.reason(); reason != "" {
		e.Data.Reasons = []string{string(reason)}
	}
	switch p.d.To {
	case Active:
		e.Source, e.Data.OriginalAt, e.Data.TextVersion = t.Sources.Reduce(p.Sent), consentAt(p), p.TextVersion
		if p.TextVersion != "" {
			e.ConsentTextID = ledger.ConsentTextShown(t.Texts, p.TextVersion, p.Locale)
		}
	case Pending:
		if p.d.Email != NoEmail { // the list proves no consent: the confirmation will be the first
			e.Data.Workflow, e.Data.TextToShow = doubleOptIn, idText(ledger.CurrentConsentText(t.Texts, p.Locale))
			break
		}
		e.Data.OriginalAt = endedAt(p)
	default:
		e.Data.OriginalAt = endedAt(p)
	}
	return e
}

func id(p *imported) string    { return p.rowID.String() }
func event(p *imported) string { return p.eventID.String() }

// note returns the evidence to keep with a subscriber.
func note(p *imported) string {
	if p.d.To != Active {
		return ""
	}
	return p.Evidence
}

// fields returns the values of who becomes subscribed, or is asked to confirm. Of other people no value is kept.
func (t *importTx) fields(state State) func(*imported) string {
	return func(p *imported) string {
		if p.d.To != state || p.d.Returning {
			return ""
		}
		values := field.Values{}
		for name, written := range p.Fields {
			d, declared := t.Fields.Find(name)
			if value, fits := d.Parse(written); declared && fits {
				values[name] = value
			}
		}
		return values.JSON()
	}
}

// consentAt returns the time of a subscriber's consent; empty if unknown. That of other people is not kept.
func consentAt(p *imported) string {
	if p.d.To != Active {
		return ""
	}
	return timeText(p.At)
}

// endedAt returns the time of the end according to the list; empty if unknown.
func endedAt(p *imported) string {
	if p.d.To == Active || p.d.Email != NoEmail {
		return ""
	}
	return timeText(p.EndedAt)
}

func timeText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

func (t *importTx) source(p *imported) string {
	if p.d.To != Active {
		return ledger.Source{}.JSON()
	}
	return t.Sources.Reduce(p.Sent).JSON()
}

// dataText returns the JSON of an event's data, which cannot fail.
func dataText(d ledger.Data) string {
	encoded, err := json.Marshal(d)
	if err != nil {
		return "{}"
	}
	return string(encoded)
}
