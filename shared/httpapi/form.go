package httpapi

import (
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// formTypes lists the content types of HTML forms, for problem details.
const formTypes = "application/x-www-form-urlencoded or multipart/form-data"

// Form returns the known fields of an HTML form, urlencoded or multipart, with all their values. An empty body of any type
// is an empty form.
//
// It reads like a browser's form was written, and refuses nothing for a value: an invalid escape stays as it is, and
// values may be any bytes. Other fields and files are not looked at. It returns a 400 problem for a multipart body that is
// none, and a 415 for any other content type.
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
		return urlencodedFields(string(body), known), nil
	case "multipart/form-data":
		return multipartFields(r.Header.Get("Content-Type"), string(body), known)
	default:
		return nil, unsupported(formTypes)
	}
}

// urlencodedFields parses a body as browsers do (WHATWG URL §5.1).
func urlencodedFields(body string, known []string) url.Values {
	fields := url.Values{}
	for pair := range strings.SplitSeq(body, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name = unescape(name); slices.Contains(known, name) {
			fields.Add(name, unescape(value))
		}
	}
	return fields
}

// unescape decodes "+" and percent-encoded bytes. A percent sign before anything else stays.
func unescape(s string) string {
	if !strings.ContainsAny(s, "+%") {
		return s
	}
	decoded := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s):
			if b, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				c = byte(b)
				i += 2
			}
		}
		decoded = append(decoded, c)
	}
	return string(decoded)
}

// multipartFields parses a body of RFC 7578. It cuts it up itself, because mime/multipart refuses the whole form for a
// control character in the name of any field.
func multipartFields(contentType, body string, known []string) (url.Values, error) {
	unreadable := malformed("The multipart form cannot be read.")
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || parameters["boundary"] == "" {
		return nil, unreadable
	}
	fields, delimiter := url.Values{}, "\r\n--"+parameters["boundary"]
	_, rest, found := strings.Cut("\r\n"+body, delimiter)
	for found && !strings.HasPrefix(rest, "--") {
		var part string
		part, rest, found = strings.Cut(rest, delimiter)
		header, value, _ := strings.Cut(part, "\r\n\r\n")
		if name, isFile := fieldName(header); !isFile && slices.Contains(known, name) {
			fields.Add(name, value)
		}
	}
	if !found {
		return nil, unreadable
	}
	return fields, nil
}

// fieldName returns the name in the header of a part, and whether the part is a file.
func fieldName(header string) (name string, isFile bool) {
	for line := range strings.SplitSeq(header, "\r\n") {
		field, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(field, "Content-Disposition") {
			_, parameters, _ := mime.ParseMediaType(value) // nothing for an invalid one
			_, isFile = parameters["filename"]
			return parameters["name"], isFile
		}
	}
	return "", false
}

// maxName is the maximum length in bytes of a name that a response repeats; that of a declared field may have 30.
const maxName = 30

// At returns the error at a JSON pointer (RFC 6901). The pointer may contain names that the client chose: a name that
// none of our members could have is cut off, so that the pointer refers to the enclosing object.
func At(pointer, detail string) FieldError {
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
