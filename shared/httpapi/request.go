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

	"newsletter/shared/config"
)

// maxBodyBytes is the maximum size of a body. A sign-up is below 2 KiB; the rest is for what a page adds to its form, which
// must not refuse a visitor.
const maxBodyBytes = 64 << 10

// maxUserAgentBytes is the length to which a User-Agent is cut; real ones are below 300 bytes.
const maxUserAgentBytes = 512

// maxRequestIDBytes is the length to which a request ID is cut; the gateway's have 16 bytes.
const maxRequestIDBytes = 64

// Request is one HTTP request.
type Request struct {
	Method string
	// RawQuery is the query string as it was sent. Query omits what cannot be decoded, so that parameters that email
	// programs append do not break a link.
	RawQuery string
	Query    url.Values
	Header   http.Header
	// Client is the peer address of the TCP connection without a zone; an IPv4-mapped address is IPv4. It comes from
	// the gateway, or from the trusted proxy if there is one; no other header changes it. It is invalid if the gateway
	// sent none.
	Client    netip.Addr
	UserAgent string // valid UTF-8, shortened to 512 bytes
	Origin    string
	RequestID string    // the gateway's, which the client sees too; see RequestID
	Time      time.Time // when the gateway received the request, UTC

	authorization config.Sealed // the header

	path    string // as the client sent it, including stage and base path
	text    string // the body as the gateway sent it
	encoded bool   // the gateway encoded text in base64
	route   *Route // nil if no route matches

	step func(outcome string, took time.Duration) // called after the body was decoded; may be nil
}

// decoded reports the outcome of decoding the body to step.
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

// newRequest returns the request of an event.
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
	r.authorization = config.Seal(r.Header.Get("Authorization"))
	r.Header.Del("Authorization")
	return r
}

// RequestID returns the gateway's request ID: at most 64 bytes of valid UTF-8 without control characters.
func RequestID(event events.APIGatewayV2HTTPRequest) string {
	return printable(event.RequestContext.RequestID, maxRequestIDBytes)
}

// Sibling returns a reference to the route that differs from the requested one in its last segment, which is name. It
// is relative to the page of this request, because only the browser knows the base path.
func (r *Request) Sibling(name string) string {
	if strings.HasSuffix(r.path, "/") {
		return "../" + name
	}
	return name
}

// Body returns the decoded body, for a route that reads it in another way than DecodeJSON and Form. The error is a 400 or
// 413 problem.
func (r *Request) Body() ([]byte, error) { return r.body() }

// body returns the decoded body. It is decoded only when a route reads it, because one-click unsubscribe must accept
// any body (RFC 8058).
func (r *Request) body() ([]byte, error) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, encodedContent()
	}
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

// clock returns the gateway's time of a request, or now if the event has none.
func clock(millis int64) time.Time {
	if millis <= 0 {
		return time.Now().UTC()
	}
	return time.UnixMilli(millis).UTC()
}

// clientAddress parses an IP address. It converts an IPv4-mapped IPv6 address to IPv4, so that a client has one
// address.
func clientAddress(s string) netip.Addr {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return addr.WithZone("").Unmap()
}

// PathID returns the value of the path's last segment, for a route that ends in "{id}".
func (r *Request) PathID() string {
	path := strings.TrimRight(r.path, "/")
	return path[strings.LastIndex(path, "/")+1:]
}

// QueryToken returns the `token` of the query string, or "" if there is none or more than one.
func (r *Request) QueryToken() string {
	values := r.Query["token"]
	if len(values) != 1 || strings.Contains(values[0], ",") { // the gateway joins repeated values by commas
		return ""
	}
	return values[0]
}

// HasToken reports whether the URL has a token, valid or not.
func (r *Request) HasToken() bool {
	return r.Query.Has("token") || strings.Contains(r.RawQuery, "token=")
}

// mediaType returns the content type without parameters, in lower case.
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

// WantsHTML reports whether to respond with a page: Accept prefers HTML to JSON or ranks them equally, or it names
// neither and a form was sent.
func WantsHTML(r *Request) bool {
	page, document := accepts(r.Header.Get("Accept"))
	if page == 0 && document == 0 {
		return r.isFormType()
	}
	return page > 0 && page >= document
}

// accepts returns the qualities of HTML and JSON in an Accept header (RFC 9110 §12.5.1), 0 for one that is not named.
func accepts(header string) (page, document float64) {
	for item := range strings.SplitSeq(strings.ToLower(header), ",") {
		kind, parameters, _ := strings.Cut(item, ";")
		quality := 1.0
		if _, q, found := strings.Cut(parameters, "q="); found {
			quality, _ = strconv.ParseFloat(strings.TrimSpace(q), 64) // an invalid quality counts as 0
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

// printable returns at most n bytes of s as valid UTF-8 without control characters.
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
