package webhook

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
)

// The call is the example of the specification's reference libraries.
const (
	exampleSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	exampleID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	exampleTime      = "1614265330"
	exampleBody      = `{"test": 2432232314}`
	exampleSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

// verifier returns a verifier at the time of the example plus late.
func verifier(t *testing.T, secrets string, late time.Duration) *Verifier {
	t.Helper()
	seconds, _ := strconv.ParseInt(exampleTime, 10, 64)
	v, err := NewVerifier(config.Seal(secrets), func() time.Time { return time.Unix(seconds, 0).Add(late) })
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerify(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		secrets, id, timestamp, signatures, body string
		late                                     time.Duration
		want                                     error
	}{
		"the example":           {},
		"late":                  {late: tolerance},
		"early":                 {late: -tolerance},
		"two secrets":           {secrets: other + "," + exampleSecret},
		"two signatures":        {signatures: "v1,AAAA " + exampleSignature},
		"other version besides": {signatures: "v1a,AAAA v2,!! " + exampleSignature},
		"another secret":        {secrets: other, want: ErrForged},
		"another id":            {id: "msg_other", want: ErrForged},
		"another time":          {timestamp: "1614265331", want: ErrForged},
		"another body":          {body: exampleBody + " ", want: ErrForged},
		"signature cut":         {signatures: exampleSignature[:len(exampleSignature)-5], want: ErrForged},
		"no version":            {signatures: strings.TrimPrefix(exampleSignature, "v1,"), want: ErrForged},
		"another version":       {signatures: "v2," + strings.TrimPrefix(exampleSignature, "v1,"), want: ErrForged},
		"no base64":             {signatures: "v1,%%", want: ErrForged},
		"only blanks":           {signatures: "  ", want: ErrForged},
		"too late":              {late: tolerance + time.Second, want: ErrTooOld},
		"too early":             {late: -tolerance - time.Second, want: ErrTooOld},
	} {
		t.Run(name, func(t *testing.T) {
			or := func(value, standard string) string {
				if value == "" {
					return standard
				}
				return value
			}
			v := verifier(t, or(test.secrets, exampleSecret), test.late)
			err := v.Verify(or(test.id, exampleID), or(test.timestamp, exampleTime), or(test.signatures, exampleSignature), []byte(or(test.body, exampleBody)))
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}

// TestMissingHeaders checks that a call is refused whose signature covers empty or unreadable headers.
func TestMissingHeaders(t *testing.T) {
	t.Parallel()
	e := &Endpoint{keys: verifier(t, exampleSecret, 0).keys}
	for _, headers := range [][2]string{{"", exampleTime}, {exampleID, ""}, {exampleID, "now"}, {exampleID, "1e9"}, {exampleID, "99999999999999999999"}} {
		signature := e.sign(headers[0], headers[1], []byte(exampleBody))
		if err := verifier(t, exampleSecret, 0).Verify(headers[0], headers[1], signature, []byte(exampleBody)); !errors.Is(err, ErrForged) {
			t.Errorf("%q: %v", headers, err)
		}
	}
}

func TestVerifierNeedsASecret(t *testing.T) {
	t.Parallel()
	for _, secrets := range []string{"", "whsec_", "whsec_short", strings.TrimPrefix(devstack.WebhookSecret, secretPrefix), devstack.WebhookSecret + ","} {
		if _, err := NewVerifier(config.Seal(secrets), time.Now); err == nil || len(secrets) > len(secretPrefix) && strings.Contains(err.Error(), secrets) {
			t.Errorf("%q: %v", secrets, err)
		}
	}
}
