package devstack

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheFakeOfLoopsRefusesWhatLoopsRefuses(t *testing.T) {
	long := strings.Repeat("k", 101)
	for name, test := range map[string]struct {
		call, body, key string
		status          int
		problem         bool
	}{
		"find nobody":          {"GET /api/v1/contacts/find?email=joe%40example.org", "", "", 200, false},
		"find by both":         {"GET /api/v1/contacts/find?email=joe%40example.org&userId=1", "", "", 400, true},
		"find by nothing":      {"GET /api/v1/contacts/find", "", "", 400, true},
		"find no address":      {"GET /api/v1/contacts/find?email=joe", "", "", 400, true},
		"suppression, nobody":  {"GET /api/v1/contacts/suppression?email=joe%40example.org", "", "", 404, false},
		"new contact":          {"PUT /api/v1/contacts/update", `{"email":"joe@example.org","mailingLists":{"a":true}}`, "", 200, false},
		"named address":        {"PUT /api/v1/contacts/update", `{"email":"Joe <joe@example.org>"}`, "", 400, true},
		"unknown property":     {"PUT /api/v1/contacts/update", `{"email":"joe@example.org","plan":"pro"}`, "", 400, true},
		"list that is no bool": {"PUT /api/v1/contacts/update", `{"email":"joe@example.org","mailingLists":{"a":1}}`, "", 400, true},
		"id of another":        {"PUT /api/v1/contacts/update", `{"email":"jack@example.org","userId":"jane"}`, "", 409, false},
		"nobody named":         {"PUT /api/v1/contacts/update", `{"userId":"joe"}`, "", 400, true},
		"delete nobody":        {"POST /api/v1/contacts/delete", `{"email":"joe@example.org"}`, "", 404, false},
		"delete by both":       {"POST /api/v1/contacts/delete", `{"email":"joe@example.org","userId":"joe"}`, "", 400, true},
		"mail":                 {"POST /api/v1/transactional", `{"email":"joe@example.org","transactionalId":"t","dataVariables":{"v":""}}`, "k", 200, false},
		"mail, lacking":        {"POST /api/v1/transactional", `{"email":"joe@example.org","transactionalId":"t"}`, "k", 400, true},
		"mail, unknown":        {"POST /api/v1/transactional", `{"email":"joe@example.org","transactionalId":"u"}`, "k", 404, false},
		"mail, long key":       {"POST /api/v1/transactional", `{"email":"joe@example.org","transactionalId":"t","dataVariables":{"v":""}}`, long, 400, true},
		"mail, no key":         {"POST /api/v1/transactional", `{"email":"joe@example.org","transactionalId":"t","dataVariables":{"v":""}}`, "", 400, true},
		"no such call":         {"PATCH /api/v1/contacts/update", `{}`, "", 405, true},
		"not JSON":             {"PUT /api/v1/contacts/update", `email`, "", 400, true},
	} {
		t.Run(name, func(t *testing.T) {
			double, id := &Loops{}, "jane"
			double.Put(LoopsContact{Email: "jane@example.org", UserID: &id})
			double.Put(LoopsContact{Email: "jack@example.org"})
			double.Template("t", "v")
			answer := callLoops(double, test.call, test.body, test.key, LoopsKey)
			if answer.Code != test.status || len(double.Problems()) > 0 != test.problem {
				t.Errorf("%d %s %v", answer.Code, answer.Body, double.Problems())
			}
		})
	}
	t.Run("wrong key", func(t *testing.T) {
		double := &Loops{}
		answer := callLoops(double, "PUT /api/v1/contacts/update", `{"email":"joe@example.org"}`, "", "other")
		if answer.Code != http.StatusUnauthorized || len(double.Contacts()) != 0 {
			t.Errorf("%d %v", answer.Code, double.Contacts())
		}
	})
}

func callLoops(double *Loops, call, body, key, bearer string) *httptest.ResponseRecorder {
	method, path, _ := strings.Cut(call, " ")
	request, answer := httptest.NewRequest(method, path, strings.NewReader(body)), httptest.NewRecorder()
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	double.ServeHTTP(answer, request)
	return answer
}
