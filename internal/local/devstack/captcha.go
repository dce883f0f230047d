package devstack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"newsletter/internal/fixtures/canary"
)

// CaptchaSecret is the only secret that the fake of the CAPTCHA providers knows.
const CaptchaSecret = "local-captcha-secret"

// SolvedChallenge is a challenge that a visitor solved.
type SolvedChallenge struct {
	Hostname, Action string
	At               time.Time
}

// Captcha is a fake of the siteverify of Turnstile and hCaptcha, which answer alike. It knows the answers that Solve
// gave out, takes each once and within five minutes, and fails as Fail requests. It is safe for concurrent use.
type Captcha struct {
	now func() time.Time

	mu       sync.Mutex
	solved   map[string]SolvedChallenge
	used     map[string]bool
	requests []map[string]string
	problems []string
	failing  []CaptchaAnswer
}

// CaptchaAnswer is an answer that the fake returns on request.
type CaptchaAnswer struct {
	Status int
	Body   string
	Delay  time.Duration
}

// NewCaptcha returns a fake whose clock is now.
func NewCaptcha(now func() time.Time) *Captcha {
	return &Captcha{now: now, solved: map[string]SolvedChallenge{}, used: map[string]bool{}}
}

// Solve returns the response that the widget returns for a solved challenge.
func (c *Captcha) Solve(s SolvedChallenge) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.At.IsZero() {
		s.At = c.now()
	}
	answer := fmt.Sprintf("0.local-%06d_%s", len(c.solved), randomKey())
	c.solved[answer] = s
	return answer
}

// Fail makes the next questions fail, one answer each.
func (c *Captcha) Fail(answers ...CaptchaAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failing = append(c.failing, answers...)
}

// Requests lists the forms of all requests.
func (c *Captcha) Requests() []map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests)
}

// Problems lists what no correct client sends. There should be none.
func (c *Captcha) Problems() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.problems)
}

// ServeHTTP implements http.Handler.
func (c *Captcha) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	form, problem := readRequest(r)
	recordRequest(canary.Captcha, r, []byte(r.PostForm.Encode()))
	answer := c.answer(form, problem)
	time.Sleep(answer.Delay)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.Status)
	_, _ = w.Write([]byte(answer.Body))
}

func (c *Captcha) answer(form map[string]string, problem string) CaptchaAnswer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if problem != "" {
		c.problems = append(c.problems, problem)
	}
	c.requests = append(c.requests, form)
	if len(c.failing) > 0 {
		failure := c.failing[0]
		c.failing = c.failing[1:]
		return failure
	}
	body, err := json.Marshal(c.judge(form))
	if err != nil {
		return CaptchaAnswer{Status: http.StatusInternalServerError}
	}
	return CaptchaAnswer{Status: http.StatusOK, Body: string(body)}
}

// readRequest returns the form, and what is wrong with the request itself.
func readRequest(r *http.Request) (form map[string]string, problem string) {
	form = map[string]string{}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
		problem = "the question is not a POST of a form, or has a query string"
	}
	if err := r.ParseForm(); err != nil {
		return form, "the form cannot be read"
	}
	for name, values := range r.PostForm {
		if !slices.Contains([]string{"secret", "response", "remoteip", "sitekey", "idempotency_key"}, name) || len(values) != 1 {
			problem = "the field " + name + " is not known, or sent twice"
		}
		form[name] = values[0]
	}
	return form, problem
}

// judge answers as siteverify does, and remembers what was used.
func (c *Captcha) judge(form map[string]string) map[string]any {
	refuse := func(code string) map[string]any {
		return map[string]any{"success": false, "error-codes": []string{code}, "messages": []string{}}
	}
	answer := form["response"]
	solved, known := c.solved[answer]
	switch {
	case form["secret"] == "":
		return refuse("missing-input-secret")
	case form["secret"] != CaptchaSecret:
		return refuse("invalid-input-secret")
	case answer == "":
		return refuse("missing-input-response")
	case !known:
		return refuse("invalid-input-response")
	case c.used[answer] || c.now().Sub(solved.At) > 5*time.Minute: // the lifetime that Turnstile documents
		return refuse("timeout-or-duplicate")
	}
	c.used[answer] = true
	return map[string]any{
		"success": true, "error-codes": []string{}, "challenge_ts": solved.At.UTC().Format(time.RFC3339),
		"hostname": solved.Hostname, "action": solved.Action, "cdata": "",
	}
}
