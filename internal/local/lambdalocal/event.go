package lambdalocal

import (
	"encoding/base64"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// apiID is the API's id in events.
const apiID = "local00000"

// hopByHop are the headers that concern one connection and are not passed on, neither way (RFC 9110, section 7.6.1).
var hopByHop = []string{"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}

// httpEvent is the event without the members that only an API with mutual TLS has, which the library always writes.
type httpEvent struct {
	events.APIGatewayV2HTTPRequest
	RequestContext requestContext `json:"requestContext"`
}

type requestContext struct {
	events.APIGatewayV2HTTPRequestContext
	Authentication *struct{} `json:"authentication,omitempty"`
}

// newEvent maps a request as an HTTP API does with payload format 2.0, for the path of the route that it matched.
// rawPath is the request's own, with a mapping's key and a slash at the end. Path and parameters are decoded, despite
// the name rawPath; the query string is as it was sent.
func newEvent(r *http.Request, path, id string, body []byte, now time.Time) httpEvent {
	headers, cookies := mapHeaders(r, len(body), now)
	domain := r.Host
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		domain = host
	}
	prefix, _, _ := strings.Cut(domain, ".")
	route := "ANY " + path
	text, encoded := mapBody(body, r.Header.Get("Content-Type"))
	return httpEvent{
		APIGatewayV2HTTPRequest: events.APIGatewayV2HTTPRequest{
			Version: "2.0", RouteKey: route, RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery, Cookies: cookies, Headers: headers,
			QueryStringParameters: mapQuery(r.URL.RawQuery), PathParameters: pathParameters(r.URL.Path, path), Body: text, IsBase64Encoded: encoded,
		},
		RequestContext: requestContext{APIGatewayV2HTTPRequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: route, AccountID: account, Stage: "$default", RequestID: id, APIID: apiID, DomainName: domain, DomainPrefix: prefix,
			Time: now.UTC().Format("02/Jan/2006:15:04:05 +0000"), TimeEpoch: now.UnixMilli(),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: peer(r).String(), UserAgent: r.UserAgent(),
			},
		}},
	}
}

// pathID is the last segment of a route's path that has any value.
const pathID = "/{id}"

// pathParameters returns the value of the path's last segment, if the route leaves it open.
func pathParameters(path, route string) map[string]string {
	if !strings.HasSuffix(route, pathID) {
		return nil
	}
	path = strings.TrimSuffix(path, "/")
	return map[string]string{"id": path[strings.LastIndex(path, "/")+1:]}
}

// mapHeaders joins repeated headers by commas under lower-case names; cookies have a list of their own. X-Forwarded-For
// gets the peer at its end, as the gateway appends it.
func mapHeaders(r *http.Request, length int, now time.Time) (headers map[string]string, cookies []string) {
	headers = map[string]string{"x-amzn-trace-id": traceRoot(now)} // a client's own stays
	for name, values := range r.Header {
		name = strings.ToLower(name)
		switch {
		case slices.Contains(hopByHop, name):
		case name == "cookie":
			for cookie := range strings.SplitSeq(strings.Join(values, ";"), ";") {
				if cookie = strings.TrimSpace(cookie); cookie != "" {
					cookies = append(cookies, cookie)
				}
			}
		default:
			headers[name] = strings.Join(values, ",")
		}
	}
	forwarded := peer(r).String()
	if sent := headers["x-forwarded-for"]; sent != "" {
		forwarded = sent + ", " + forwarded
	}
	headers["x-forwarded-for"] = forwarded
	headers["x-forwarded-proto"], headers["x-forwarded-port"] = "http", "80"
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		headers["x-forwarded-port"] = port
	}
	headers["host"] = r.Host
	headers["content-length"] = strconv.Itoa(length) // for every method, and for chunked bodies too
	return headers, cookies
}

// mapQuery decodes parameters and joins repeated ones by commas. What cannot be decoded stays as it was sent.
func mapQuery(raw string) map[string]string {
	var parameters map[string]string
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescape(name), unescape(value)
		if parameters == nil {
			parameters = make(map[string]string)
		}
		if before, repeated := parameters[name]; repeated {
			value = before + "," + value
		}
		parameters[name] = value
	}
	return parameters
}

func unescape(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}

// mapBody encodes by base64 what the gateway does not take for text. Only these types are text to it (observed by
// others on AWS, whose documentation lists none): forms, +json types and a missing type are not.
func mapBody(body []byte, contentType string) (text string, encoded bool) {
	if len(body) == 0 {
		return "", false
	}
	kind, _, _ := mime.ParseMediaType(contentType) // an unreadable type is none
	isText := strings.HasPrefix(kind, "text/") ||
		slices.Contains([]string{"application/json", "application/xml", "application/javascript"}, kind)
	if isText && utf8.Valid(body) { // what is not UTF-8 does not fit into the event's JSON
		return string(body), false
	}
	return base64.StdEncoding.EncodeToString(body), true
}

// peer returns the other end of the TCP connection.
func peer(r *http.Request) netip.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.IPv4Unspecified() // a request that no network brought, as in a unit test
	}
	return addr.Addr().Unmap().WithZone("")
}

// gatewayRequestID returns an id in the gateway's form: 15 characters and "=".
func gatewayRequestID() string {
	return base64.RawURLEncoding.EncodeToString([]byte(randomHex(6)))[:15] + "="
}
