package lists

import (
	"encoding/csv"
	"io"
	"slices"
	"time"

	"newsletter/shared/operate"
)

// exportColumns are the columns of an export. An import understands them.
var exportColumns = []string{"email", "status", "locale", "confirmed_at", "requested_at", "ended_at", "page", "referrer", "utm_source", "utm_medium", "utm_campaign", "subscriber_id"}

// linkColumn is the column of unsubscribe links, which an import passes over.
const linkColumn = "unsubscribe_url"

// An Exporter writes subscribers as CSV with headings. Cells that a spreadsheet would run as a formula are guarded; an
// import removes the guard.
type Exporter struct {
	out    *csv.Writer
	links  bool
	fields []string
}

// NewExporter returns an Exporter that writes to w, with unsubscribe links or without, and a column for each of the
// declared fields, and writes the headings.
func NewExporter(w io.Writer, links bool, fields []string) (*Exporter, error) {
	e := &Exporter{csv.NewWriter(w), links, fields}
	columns := slices.Clone(exportColumns)
	for _, name := range fields {
		columns = append(columns, fieldPrefix+name)
	}
	if links {
		columns = append(columns, linkColumn)
	}
	return e, e.out.Write(columns)
}

// Write writes subscribers.
func (e *Exporter) Write(subscribers []operate.ExportedSubscriber) error {
	for _, s := range subscribers {
		cells := []string{
			s.Email, string(s.Status), string(s.Locale), formatTime(s.ConfirmedAt), formatTime(s.RequestedAt), formatTime(s.EndedAt),
			s.Source.Page, s.Source.Referrer, s.Source.Origin, s.Source.Medium, s.Source.Campaign, s.ID.String(),
		}
		for _, name := range e.fields {
			cells = append(cells, s.Fields.Text(name))
		}
		if e.links {
			cells = append(cells, s.UnsubscribeURL)
		}
		for i, cell := range cells {
			cells[i] = guard(cell)
		}
		if err := e.out.Write(cells); err != nil {
			return err
		}
	}
	e.out.Flush()
	return e.out.Error()
}

func formatTime(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}
