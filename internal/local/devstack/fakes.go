package devstack

import (
	"net"
	"net/http"
	"time"
)

// Fakes are local stand-ins for external services. They refuse what the services would refuse.
type Fakes struct {
	SES    *SES
	Sentry *Sentry
	Loops  *Loops
	GA4    *GA4
	S3     *S3
	SQS    *SQS // the unsubscribe queue
	SNS    *SNS
	Vector *Vector

	Slack    *Slack
	Discord  *Discord
	Webhooks *Webhooks
	Errors   *Webhooks // of the functions
	// EmailEvents is the queue of SES's events.
	EmailEvents *SQS
	// Captcha is the verifier of Turnstile and hCaptcha.
	Captcha *Captcha

	server *http.Server
}

// endpoint is the host and port where the functions find the fakes.
type endpoint string

// at returns the URL of a fake.
func (e endpoint) at(path string) string { return "http://" + string(e) + path }

func newFakes() *Fakes {
	return &Fakes{
		SES: NewSES(time.Now), Sentry: &Sentry{}, Loops: &Loops{}, GA4: NewGA4(time.Now), S3: NewS3(0), SQS: &SQS{}, EmailEvents: &SQS{}, SNS: &SNS{}, Vector: &Vector{},
		Slack: &Slack{}, Discord: &Discord{}, Webhooks: NewWebhooks(time.Now), Errors: NewWebhooks(time.Now), Captcha: NewCaptcha(time.Now),
	}
}

func (d *Fakes) serve() (endpoint, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /ses/v2/email/outbound-emails", d.SES)
	mux.Handle("POST /api/1/envelope/", d.Sentry)
	mux.Handle("/loops/", http.StripPrefix("/loops", d.Loops))
	mux.Handle("/ga4/", http.StripPrefix("/ga4", d.GA4))
	mux.Handle("/s3/", http.StripPrefix("/s3", d.S3))
	mux.Handle("/captcha/siteverify", d.Captcha)
	mux.Handle("/sqs/", d.SQS)
	mux.Handle("/sns/", d.SNS)
	mux.Handle("/vector/", http.StripPrefix("/vector", d.Vector))
	mux.Handle("/slack", d.Slack)
	mux.Handle("/discord", d.Discord)
	mux.Handle("/webhook", d.Webhooks)
	mux.Handle("/errors", d.Errors)
	d.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = d.server.Serve(listener) }() // ends with close
	return endpoint(listener.Addr().String()), nil
}

func (d *Fakes) close() { _ = d.server.Close() }
