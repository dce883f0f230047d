package httpapi

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// maxBodyBytes bounds a body: a sign-up is below 2 KiB (DESIGN §7).
const maxBodyBytes = 16 << 10

// maxUserAgentBytes is what is kept of a User-Agent; real ones are below 300 bytes.
const maxUserAgentBytes = 512

// Request is one HTTP request.
type Request struct {
	Method, Path string
	Query        url.Values
	Header       http.Header
	Body         []byte // decoded from base64 where the gateway encoded it
	// Client is the address of the TCP connection's other end, as IPv4 where it is IPv4, without a zone. It is the
	// gateway's word; no header changes it. Invalid where the gateway gave none.
	Client    netip.Addr
	UserAgent string // valid UTF-8, shortened to 512 bytes
	Origin    string
	RequestID string    // the gateway's, which the client sees too
	Time      time.Time // when the gateway took the request, UTC
}

// newRequest reads an event. The request is usable for an error answer even when err is not nil.
func newRequest(event events.APIGatewayV2HTTPRequest) (*Request, error) {
	http_ := event.RequestContext.HTTP
	r := &Request{
		Method:    http_.Method,
		Path:      event.RawPath,
		Header:    make(http.Header, len(event.Headers)),
		RequestID: event.RequestContext.RequestID,
		Time:      clock(event.RequestContext.TimeEpoch),
		Client:    clientAddress(http_.SourceIP),
	}
	for name, value := range event.Headers {
		r.Header.Set(name, value)
	}
	r.Origin = r.Header.Get("Origin")
	r.UserAgent = shorten(strings.ToValidUTF8(strings.ReplaceAll(http_.UserAgent, "\x00", ""), ""), maxUserAgentBytes)

	query, err := url.ParseQuery(event.RawQueryString)
	if err != nil {
		r.Query = url.Values{}
		return r, malformed("The query string is not valid.")
	}
	r.Query = query
	r.Body = []byte(event.Body)
	if event.IsBase64Encoded {
		if base64.StdEncoding.DecodedLen(len(event.Body)) > maxBodyBytes+3 {
			return r, tooLarge()
		}
		if r.Body, err = base64.StdEncoding.DecodeString(event.Body); err != nil {
			return r, malformed("The body is not valid base64.")
		}
	}
	if len(r.Body) > maxBodyBytes {
		return r, tooLarge()
	}
	return r, nil
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

// mediaType is the content type without parameters, in lower case.
func (r *Request) mediaType() string {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// IsForm says whether the body is that of an HTML form.
func IsForm(r *Request) bool {
	kind := r.mediaType()
	return kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data"
}

// WantsHTML says whether a person with a browser waits for the answer: it asks for HTML and not for JSON.
func WantsHTML(r *Request) bool {
	accept := strings.ToLower(r.Header.Get("Accept"))
	return strings.Contains(accept, "text/html")
}

// shorten cuts s to at most n bytes without splitting a character.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
