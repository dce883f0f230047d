package httpapi

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxFormFields is the maximum number of fields; the longest form has 17.
	maxFormFields = 64
	// maxName is the maximum length in bytes of a name that a response repeats; our longest has 21.
	maxName = 24
	// formTypes lists the content types of HTML forms, for problem details.
	formTypes = "application/x-www-form-urlencoded or multipart/form-data"
)

// Form parses the body of an HTML form, urlencoded or multipart. An empty body of any type is an empty form.
//
// known lists the fields that the caller reads. Form returns a 400 problem if one of them is repeated; it keeps other
// fields as they are. It also returns a 400 for file uploads, more than 64 fields, NUL characters and invalid UTF-8,
// and a 415 for any other content type.
func Form(r *Request, known ...string) (fields url.Values, err error) {
	defer func(began time.Time) { r.decoded(began, err) }(time.Now())
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return url.Values{}, nil
	}
	switch r.mediaType() {
	case "application/x-www-form-urlencoded":
		if fields, err = url.ParseQuery(string(body)); err != nil {
			return nil, malformed("The form cannot be read.")
		}
	case "multipart/form-data":
		if fields, err = multipartFields(r.Header.Get("Content-Type"), body); err != nil {
			return nil, err
		}
	default:
		return nil, unsupported(formTypes)
	}
	return fields, checkFields(fields, known)
}

func checkFields(fields url.Values, known []string) error {
	if len(fields) > maxFormFields {
		return malformed("The form has too many fields.")
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !isText(name) {
			return malformed("The name of a form field is not valid UTF-8 without NUL characters.")
		}
		if slices.ContainsFunc(fields[name], func(value string) bool { return !isText(value) }) {
			return malformedAt("/"+pointerToken(name), "This must be valid UTF-8 without NUL characters.")
		}
		if len(fields[name]) > 1 && slices.Contains(known, name) {
			return malformedAt("/"+pointerToken(name), "This field appears twice.")
		}
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func multipartFields(contentType string, body []byte) (url.Values, error) {
	unreadable := malformed("The multipart form cannot be read.")
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || parameters["boundary"] == "" {
		return nil, unreadable
	}
	fields := url.Values{}
	parts := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
	for range maxFormFields + 1 {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return fields, nil
		}
		if err != nil || part.FormName() == "" || part.FileName() != "" {
			return nil, unreadable
		}
		value, err := io.ReadAll(part) // bounded by the body
		if err != nil {
			return nil, unreadable
		}
		fields.Add(part.FormName(), string(value))
	}
	return nil, malformed("The form has too many fields.")
}

// pointerToken escapes a name for a JSON pointer (RFC 6901 §3).
func pointerToken(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// at returns the error at a JSON pointer (RFC 6901). The pointer may contain names that the client chose: a name that
// none of our members could have is cut off, so that the pointer refers to the enclosing object.
func at(pointer, detail string) FieldError {
	names := strings.Split(pointer, "/")
	for i, name := range names[1:] {
		if len(name) > maxName || strings.ContainsFunc(name, isStrange) {
			return FieldError{Detail: detail + " It has a name that is not repeated here.", Pointer: "#" + strings.Join(names[:i+1], "/")}
		}
	}
	return FieldError{Detail: detail, Pointer: "#" + pointer}
}

// isStrange reports whether none of our names contains r.
func isStrange(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
}
