package lambdalocal

import (
	"encoding/base64"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// apiID stands for the API's id in events and in its domain.
const apiID = "local00000"

// newEvent maps a request as an HTTP API does with payload format 2.0.
func newEvent(r *http.Request, route string, body []byte, now time.Time) events.APIGatewayV2HTTPRequest {
	headers, cookies := mapHeaders(r)
	event := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "ANY " + route, RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery,
		Cookies: cookies, Headers: headers, QueryStringParameters: mapQuery(r.URL.RawQuery),
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "ANY " + route, AccountID: "123456789012", Stage: "$default", RequestID: gatewayRequestID(), APIID: apiID,
			DomainName: r.Host, DomainPrefix: apiID, Time: now.UTC().Format("02/Jan/2006:15:04:05 +0000"), TimeEpoch: now.UnixMilli(),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: peer(r).String(), UserAgent: r.UserAgent(),
			},
		},
	}
	event.Body, event.IsBase64Encoded = mapBody(body, r.Header.Get("Content-Type"))
	return event
}

// mapHeaders joins repeated headers by commas under lower-case names; cookies have a list of their own. X-Forwarded-For
// gets the peer at its end, as the gateway appends it.
func mapHeaders(r *http.Request) (headers map[string]string, cookies []string) {
	headers = make(map[string]string, len(r.Header)+4)
	for name, values := range r.Header {
		name = strings.ToLower(name)
		if name == "cookie" {
			for _, value := range values {
				for cookie := range strings.SplitSeq(value, ";") {
					if cookie = strings.TrimSpace(cookie); cookie != "" {
						cookies = append(cookies, cookie)
					}
				}
			}
			continue
		}
		headers[name] = strings.Join(values, ",")
	}
	headers["host"] = r.Host
	forwarded := peer(r).String()
	if sent := headers["x-forwarded-for"]; sent != "" {
		forwarded = sent + ", " + forwarded
	}
	headers["x-forwarded-for"] = forwarded
	headers["x-forwarded-proto"] = "http"
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		headers["x-forwarded-port"] = port
	}
	if r.ContentLength >= 0 && r.Method != http.MethodGet && r.Method != http.MethodHead {
		headers["content-length"] = itoa(r.ContentLength)
	}
	return headers, cookies
}

// mapQuery joins repeated parameters by commas.
func mapQuery(raw string) map[string]string {
	values, _ := url.ParseQuery(raw) // what cannot be read is left out, as the gateway does
	if len(values) == 0 {
		return nil
	}
	parameters := make(map[string]string, len(values))
	for name, list := range values {
		parameters[name] = strings.Join(list, ",")
	}
	return parameters
}

// mapBody encodes by base64 what the gateway does not take for text. Forms are not text to it.
func mapBody(body []byte, contentType string) (text string, encoded bool) {
	if len(body) == 0 {
		return "", false
	}
	kind, _, _ := mime.ParseMediaType(contentType) // an unreadable type is none
	isText := strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml") ||
		slices.Contains([]string{"application/json", "application/xml", "application/javascript"}, kind)
	if isText && utf8.Valid(body) {
		return string(body), false
	}
	return base64.StdEncoding.EncodeToString(body), true
}

// peer is the other end of the TCP connection.
func peer(r *http.Request) netip.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.IPv4Unspecified() // a request that no network brought, as in a unit test
	}
	return addr.Addr().Unmap().WithZone("")
}

// gatewayRequestID is in the form of the gateway's: 11 characters and "=".
func gatewayRequestID() string {
	return base64.RawURLEncoding.EncodeToString([]byte(randomHex(6)))[:15] + "="
}
