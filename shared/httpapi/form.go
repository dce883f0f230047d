package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxFormFields bounds the fields of a form; ours have ten.
const maxFormFields = 64

// Form reads the body of an HTML form, urlencoded or multipart. An empty body is an empty form whatever its type. A
// field that stands there twice, file uploads, NUL characters and invalid UTF-8 are refused with 400, any other
// content type with 415.
func Form(r *Request) (url.Values, error) {
	if len(r.Body) == 0 {
		return url.Values{}, nil
	}
	var (
		fields url.Values
		err    error
	)
	switch r.mediaType() {
	case "application/x-www-form-urlencoded":
		if fields, err = url.ParseQuery(string(r.Body)); err != nil {
			return nil, malformed("The form cannot be read.")
		}
	case "multipart/form-data":
		if fields, err = multipartFields(r); err != nil {
			return nil, err
		}
	default:
		return nil, unsupported("application/x-www-form-urlencoded or multipart/form-data")
	}
	if len(fields) > maxFormFields {
		return nil, malformed("The form has too many fields.")
	}
	for name, values := range fields {
		switch {
		case !utf8.ValidString(name) || strings.Contains(name, "\x00"):
			return nil, malformed("The name of a form field is not valid UTF-8.")
		case len(values) > 1:
			return nil, malformedAt("#/"+pointerToken(name), "This field stands here twice.")
		case !utf8.ValidString(values[0]) || strings.Contains(values[0], "\x00"):
			return nil, malformedAt("#/"+pointerToken(name), "This must be valid UTF-8 without NUL characters.")
		}
	}
	return fields, nil
}

func multipartFields(r *Request) (url.Values, error) {
	unreadable := malformed("The multipart form cannot be read.")
	_, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || parameters["boundary"] == "" {
		return nil, unreadable
	}
	fields := url.Values{}
	parts := multipart.NewReader(bytes.NewReader(r.Body), parameters["boundary"])
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

// pointerToken escapes a name for a JSON pointer in a URI fragment (RFC 6901 §6).
func pointerToken(name string) string {
	return url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
}
