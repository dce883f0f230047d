package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/internal/fixtures/canary"
	"newsletter/shared/config"
	"newsletter/shared/token"
)

// A cage generates and records values that look like personal data or secrets. Each is unique and unlike any real
// value.
type cage struct {
	values  []canary.Value
	ring    *token.Ring // signs links that no key of the system has signed
	carried []string
}

func newCage(t *testing.T) *cage {
	t.Helper()
	env := config.FromMap(map[string]string{"TOKEN_KEYS_CONFIRM": "other:" + secret()})
	ring := token.ReadRing(env, token.Confirm)
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	return &cage{ring: ring}
}

func (c *cage) plant(name string, shape canary.Shape, value string) string {
	c.values = append(c.values, canary.Plant(name, shape, value))
	return value
}

// address returns an address. Its local part alone counts as a leak, too.
func (c *cage) address(name string) string { return c.addressWith(name, "") }

// addressWith returns an address whose local part has a suffix, such as a plus tag.
func (c *cage) addressWith(name, tail string) string {
	mailbox := "Cnry." + name + randomHex(4)
	c.plant("mailbox of "+name, canary.Address, mailbox)
	return c.plant("address of "+name, canary.Address, mailbox+tail+"@example.org")
}

// key returns 32 random bytes in base64.
func (c *cage) key(name string) string { return c.plant("key in "+name, canary.Key, secret()) }

// link returns a token in the system's format, signed with another key.
func (c *cage) link(name string) string {
	return c.plant("link in "+name, canary.Token, c.ring.Sign(token.Claims{Link: token.Link{SubscriberID: uuid.New(), EventID: uuid.New(), Epoch: 1}, Expires: time.Now().Add(time.Hour)}))
}

func (c *cage) network(name, address string) string {
	return c.plant("network address in "+name, canary.Network, address)
}

// mailed records the token in an emailed link.
func (c *cage) mailed(name, link string) string {
	_, text, _ := strings.Cut(link, "token=")
	c.plant("mailed link "+name, canary.Token, text)
	return link
}

// luggage returns header fields that a client may send with any request.
func (c *cage) luggage() []string {
	if c.carried == nil {
		c.carried = []string{
			"Authorization: Bearer " + c.key("Authorization"),
			"Cookie: session=" + c.key("Cookie") + "; mail=" + c.address("Cookie"),
			"X-Forwarded-For: " + c.network("X-Forwarded-For", "203.0.113.77") + ", " + c.network("X-Forwarded-For", "2001:db8:77:1::5"),
			"Forwarded: for=\"[" + c.network("Forwarded", "2001:db8:78:1::6") + "]\"",
			"X-Real-Ip: " + c.network("X-Real-Ip", "203.0.113.78"),
			"User-Agent: Bird/1.0 (" + c.address("User-Agent") + ")",
			"Referer: https://www.example.org/in?email=" + c.address("Referer") + "&token=" + c.link("Referer"),
			"Idempotency-Key: " + c.key("Idempotency-Key"),
			"X-Api-Key: " + c.key("X-Api-Key"),
			"Origin: https://" + c.plant("Origin", canary.Address, "cnry-origin"+randomHex(4)) + ".example.org",
			"Accept-Language: x-" + c.plant("Accept-Language", canary.Key, "cnry"+randomHex(2)),
			"X-Amzn-Trace-Id: Root=" + c.address("X-Amzn-Trace-Id"),
		}
	}
	return c.carried
}

// secret returns random base64 without "+" and "/": shared/ledger cannot distinguish one in 10,000 keys with such
// characters from a name.
func secret() string {
	for raw := make([]byte, 32); ; {
		_, _ = rand.Read(raw)
		if text := base64.StdEncoding.EncodeToString(raw); !strings.ContainsAny(text, "+/") {
			return text
		}
	}
}

func randomHex(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw)
	return hex.EncodeToString(raw)
}
