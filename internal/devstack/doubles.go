package devstack

import (
	"net"
	"net/http"
	"time"
)

// Doubles stand in for the services outside. They refuse what the services would refuse.
type Doubles struct {
	SES    *SES
	Sentry *Sentry
	Loops  *Loops
	GA4    *GA4
	S3     *S3
	// Captcha is the verifier of Turnstile and hCaptcha.
	Captcha *Captcha

	server *http.Server
}

// endpoints are where the functions find the doubles.
type endpoints struct {
	ses, sentryDSN, loops, ga4, s3, captcha string
}

func newDoubles() *Doubles {
	return &Doubles{
		SES: NewSES(time.Now), Sentry: &Sentry{}, Loops: &Loops{}, GA4: NewGA4(time.Now), S3: NewS3(0),
		Captcha: NewCaptcha(time.Now),
	}
}

func (d *Doubles) serve() (endpoints, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return endpoints{}, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /ses/v2/email/outbound-emails", d.SES)
	mux.Handle("POST /api/1/envelope/", d.Sentry)
	mux.Handle("/loops/", http.StripPrefix("/loops", d.Loops))
	mux.Handle("/ga4/", http.StripPrefix("/ga4", d.GA4))
	mux.Handle("/s3/", http.StripPrefix("/s3", d.S3))
	mux.Handle("/captcha/siteverify", d.Captcha)
	d.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = d.server.Serve(listener) }() // ends with close
	host := listener.Addr().String()
	return endpoints{
		captcha: "http://" + host + "/captcha/siteverify",
		ses:     "http://" + host + "/ses", sentryDSN: "http://local@" + host + "/1", loops: "http://" + host + "/loops",
		ga4: "http://" + host + "/ga4", s3: "http://" + host + "/s3",
	}, nil
}

func (d *Doubles) close() { _ = d.server.Close() }
