package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/field"
)

const declaredFields = `{"company":{"type":"text","purpose":"p","max_length":10},"plan":{"type":"choice","purpose":"p","choices":["weekly","monthly"]},
	"vip":{"type":"boolean","purpose":"p"},"since":{"type":"date","purpose":"p"}}`

// TestFields checks what is recorded of JSON and of forms: values that fit, and the names of the others.
func TestFields(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["FIELDS"] = declaredFields
	api := b.Open(open).HTTP
	for body, want := range map[string]string{
		`{"email":"jane@example.org","fields":{"company":"Acme","plan":"weekly","vip":false,"since":"2024-02-29"}}`: `202 {"vip": false, "plan": "weekly", "since": "2024-02-29", "company": "Acme"}`,
		`{"email":"jane@example.org","fields":{"company":" Acme ","plan":"Monthly"}}`:                               `202 {"plan": "monthly", "company": "Acme"} ["fields.company"]`,
		`{"email":"jane@example.org","fields":{"company":"Acme and Sons","vip":null,"since":"soon","plan":""}}`:     `202 ["fields.company", "fields.since"]`,
		`{"email":"jane@example.org","fields":null}`:                                                                `202`,
		`{"email":"jane@example.org","fields":{}}`:                                                                  `202`,
		`{"email":"jane@example.org","fields":{"company":7}}`:                                                       `422 "#/fields/company"`,
		`{"email":"jane@example.org","fields":{"vip":"true"}}`:                                                      `422 "#/fields/vip"`,
		`{"email":"jane@example.org","fields":{"city":"Rome"}}`:                                                     `422 "#/fields/city"`,
		`{"email":"jane@example.org","fields":{"jane@example.org":"x"}}`:                                            `422 "#/fields"`,
		`{"email":"jane@example.org","fields":["company"]}`:                                                         `422 "#/fields"`,
		`email=jane@example.org&fields.company=Acme&fields.vip=on&fields.plan=&fields.city=`:                        `202 {"vip": true, "company": "Acme"}`,
		`email=jane@example.org&fields.vip=false&fields.vip=true`:                                                   `202 {"vip": true}`,
		`email=jane@example.org&fields.vip=0`:                                                                       `202 {"vip": false}`,
		`email=jane@example.org&fields.since=2024-13-01&fields.company=%FF%00`:                                      `202 ["fields.company", "fields.since"]`,
	} {
		b.Exec("truncate subscribers cascade")
		b.Exec("truncate requested_fields")
		event := post(t, body)
		if !strings.HasPrefix(body, "{") {
			event.Headers["content-type"] = "application/x-www-form-urlencoded"
		}
		got := functiontest.Serve(t, api, event)
		recorded := fmt.Sprint(got.Response.StatusCode)
		if got.Response.StatusCode == http.StatusAccepted {
			for _, part := range b.Strings(`select fields::text from requested_fields union all (select coalesce(data->>'cleaned', '') from ledger_events order by id desc limit 1)`) {
				recorded = strings.TrimSpace(recorded + " " + part)
			}
		}
		if status, part, _ := strings.Cut(want, ` "#`); recorded != status || !strings.Contains(got.Response.Body, part) {
			t.Errorf("%s: %s %s, want %s", body, recorded, got.Response.Body, want)
		}
		if strings.Contains(got.Response.Body, "Acme") {
			t.Errorf("the answer repeats a value: %s", got.Response.Body)
		}
	}
}

// TestTwentyFieldsFit checks that the longest values of all fields pass as JSON and as a form.
func TestTwentyFieldsFit(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	sent, form := map[string]string{}, url.Values{"email": {"jane@example.org"}}
	var declared []string
	for i := range field.MaxFields {
		name := fmt.Sprintf("a_name_of_thirty_characters_%02d", i)
		declared = append(declared, fmt.Sprintf(`%q:{"type":"text","purpose":"p"}`, name))
		sent[name] = strings.Repeat("😀", 80)
		form.Set("fields."+name, sent[name])
	}
	b.Variables["FIELDS"] = "{" + strings.Join(declared, ",") + "}"
	api := b.Open(open).HTTP
	body, err := json.Marshal(map[string]any{"email": "jane@example.org", "fields": sent})
	if err != nil {
		t.Fatal(err)
	}
	asJSON, asForm := post(t, string(body)), post(t, form.Encode())
	asForm.Headers["content-type"] = "application/x-www-form-urlencoded"
	for _, event := range []events.APIGatewayV2HTTPRequest{asJSON, asForm} {
		b.Exec("truncate requested_fields")
		if got := functiontest.Serve(t, api, event); got.Response.StatusCode != http.StatusAccepted {
			t.Fatalf("%d %s", got.Response.StatusCode, got.Response.Body)
		}
		var stored string
		b.Scan(`select fields::text from requested_fields`, nil, &stored)
		if values := field.ParseValues(stored); len(values) != field.MaxFields || values["a_name_of_thirty_characters_19"] != sent["a_name_of_thirty_characters_19"] {
			t.Errorf("stored %.100s", stored)
		}
	}
}

// TestTheFormOfAProblemKeepsFields checks that who corrects the address does not lose what they typed.
func TestTheFormOfAProblemKeepsFields(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["FIELDS"] = declaredFields
	api := b.Open(open).HTTP
	sent := url.Values{"email": {"jane"}, "fields.company": {`"><b>`}, "fields.vip": {"on"}, "fields.since": {"soon"}}
	got := functiontest.Serve(t, api, fromBrowser(t, "en", sent))
	again := fieldsOf(t, got.Response.Body)
	if got.Response.StatusCode != http.StatusUnprocessableEntity || again.Get("fields.company") != `"><b>` || again.Get("fields.vip") != "true" || again.Has("fields.since") {
		t.Errorf("%d, the form has %v", got.Response.StatusCode, again)
	}
}
