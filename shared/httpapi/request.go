package httpapi

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// maxBodyBytes bounds a body: a sign-up is below 2 KiB (DESIGN §7).
const maxBodyBytes = 16 << 10

// maxUserAgentBytes is what is kept of a User-Agent; real ones are below 300 bytes.
const maxUserAgentBytes = 512

// maxRequestIDBytes is what is kept of a request's id; the gateway's have 16 bytes.
const maxRequestIDBytes = 64

// Request is one HTTP request.
type Request struct {
	Method string
	// RawQuery is the query string as it was sent, Query its readable part: what cannot be decoded is left out, so that
	// what mail programs append to a link does not break it.
	RawQuery string
	Query    url.Values
	Header   http.Header
	// Client is the address of the TCP connection's other end, as IPv4 where it is IPv4, without a zone. It is the
	// gateway's word, or CloudFront's where the site stands behind it; no other header changes it. Invalid where the gateway
	// gave none.
	Client    netip.Addr
	UserAgent string // valid UTF-8, shortened to 512 bytes
	Origin    string
	RequestID string    // the gateway's, which the client sees too; see RequestID
	Time      time.Time // when the gateway took the request, UTC

	path    string // as the client sent it, with the stage and the base path that the gateway does not match
	text    string // the body as the gateway passed it on
	encoded bool   // by the gateway, in base64
	route   *Route // nil where nothing of ours was asked for

	step func(outcome string, took time.Duration) // hears that the body was decoded; may be nil
}

// decoded tells how the decoding of the body went, which began at a time.
func (r *Request) decoded(began time.Time, err error) {
	if r.step == nil {
		return
	}
	outcome := "done"
	if err != nil {
		outcome = "refused"
	}
	r.step(outcome, time.Since(began))
}

// newRequest reads an event.
func newRequest(event events.APIGatewayV2HTTPRequest) *Request {
	call := event.RequestContext.HTTP
	r := &Request{
		Method:    call.Method,
		RawQuery:  event.RawQueryString,
		Header:    make(http.Header, len(event.Headers)),
		RequestID: RequestID(event),
		Time:      clock(event.RequestContext.TimeEpoch),
		Client:    clientAddress(call.SourceIP),
		UserAgent: printable(call.UserAgent, maxUserAgentBytes),
		path:      cmp.Or(event.RawPath, call.Path),
		text:      event.Body,
		encoded:   event.IsBase64Encoded,
	}
	r.Query, _ = url.ParseQuery(event.RawQueryString) // returns what it could read besides the error
	for name, value := range event.Headers {
		r.Header.Set(name, value)
	}
	r.Origin = r.Header.Get("Origin")
	return r
}

// RequestID returns the gateway's id of a request: at most 64 bytes of valid UTF-8 without control characters.
func RequestID(event events.APIGatewayV2HTTPRequest) string {
	return printable(event.RequestContext.RequestID, maxRequestIDBytes)
}

// Sibling returns a reference to the route that differs from the requested one in its last segment, which is name. It is
// relative to the page of this request, because only the browser knows the base path.
func (r *Request) Sibling(name string) string {
	if strings.HasSuffix(r.path, "/") {
		return "../" + name
	}
	return name
}

// body decodes the body. Its errors are returned here, to the route that reads it, because another one may promise to take
// any body, as one-click does (RFC 8058).
func (r *Request) body() ([]byte, error) {
	size := len(r.text)
	if r.encoded {
		size = base64.StdEncoding.DecodedLen(size) - 2 // padding counts up to two bytes too many
	}
	if size > maxBodyBytes {
		return nil, tooLarge()
	}
	if !r.encoded {
		return []byte(r.text), nil
	}
	body, err := base64.StdEncoding.DecodeString(r.text)
	if err != nil {
		return nil, malformed("The body is not valid base64.")
	}
	if len(body) > maxBodyBytes {
		return nil, tooLarge()
	}
	return body, nil
}

// clock is the time of a request as the gateway gave it, or now where an event has none.
func clock(millis int64) time.Time {
	if millis <= 0 {
		return time.Now().UTC()
	}
	return time.UnixMilli(millis).UTC()
}

// clientAddress reads the gateway's sourceIp. A v4-mapped IPv6 address is its IPv4 address, so that nobody has two.
func clientAddress(s string) netip.Addr {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return addr.WithZone("").Unmap()
}

// QueryToken gives the one `token` of the query string, or "" if there is none or more than one.
func (r *Request) QueryToken() string {
	values := r.Query["token"]
	if len(values) != 1 || strings.Contains(values[0], ",") { // the gateway joins repeated values by commas
		return ""
	}
	return values[0]
}

// HasToken says whether the URL names a token, readable or not.
func (r *Request) HasToken() bool {
	return r.Query.Has("token") || strings.Contains(r.RawQuery, "token=")
}

// mediaType is the content type without parameters, in lower case.
func (r *Request) mediaType() string {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// IsForm reports whether Form reads the body: an HTML form was sent, or nothing at all.
func IsForm(r *Request) bool {
	return r.isFormType() || r.mediaType() == "" && r.text == ""
}

func (r *Request) isFormType() bool {
	kind := r.mediaType()
	return kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data"
}

// WantsHTML says whether a person with a browser waits for the answer: Accept prefers HTML to JSON, or it names neither
// and a form was sent.
func WantsHTML(r *Request) bool {
	page, document := accepts(r.Header.Get("Accept"))
	if page == 0 && document == 0 {
		return r.isFormType()
	}
	return page > 0 && page >= document
}

// accepts gives the qualities of HTML and of JSON in an Accept header (RFC 9110 §12.5.1), 0 where it does not name them.
func accepts(header string) (page, document float64) {
	for item := range strings.SplitSeq(strings.ToLower(header), ",") {
		kind, parameters, _ := strings.Cut(item, ";")
		quality := 1.0
		if _, q, found := strings.Cut(parameters, "q="); found {
			quality, _ = strconv.ParseFloat(strings.TrimSpace(q), 64) // what cannot be read is not wanted
		}
		switch strings.TrimSpace(kind) {
		case "text/html", "application/xhtml+xml":
			page = max(page, quality)
		case "application/json", "application/problem+json":
			document = max(document, quality)
		}
	}
	return page, document
}

// printable cuts s to at most n bytes of valid UTF-8 without control characters.
func printable(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
