package main

import (
	"math/rand/v2"
	"net/http"
	"strings"

	"newsletter/shared/httpapi"
)

// badInputs are requests that must be refused, whatever else is broken.
var badInputs = map[string]request{
	"no body":            {http.MethodPost, httpapi.SubscribePath, asJSON, ""},
	"not JSON":           {http.MethodPost, httpapi.SubscribePath, asJSON, "email=jane"},
	"a list":             {http.MethodPost, httpapi.SubscribePath, asJSON, `["a@example.org"]`},
	"two values":         {http.MethodPost, httpapi.SubscribePath, asJSON, `{"email":"a@example.org"}{}`},
	"a name twice":       {http.MethodPost, httpapi.SubscribePath, asJSON, `{"email":"a@example.org","email":"b@example.org"}`},
	"an unknown member":  {http.MethodPost, httpapi.SubscribePath, asJSON, `{"email":"a@example.org","admin":true}`},
	"a number":           {http.MethodPost, httpapi.SubscribePath, asJSON, `{"email":5}`},
	"invalid UTF-8":      {http.MethodPost, httpapi.SubscribePath, asJSON, "{\"email\":\"a\xff@example.org\"}"},
	"a lone surrogate":   {http.MethodPost, httpapi.SubscribePath, asJSON, `{"email":"\ud800@example.org"}`},
	"NUL":                {http.MethodPost, httpapi.SubscribePath, asJSON, `{"email":"a\u0000@example.org"}`},
	"too deep":           {http.MethodPost, httpapi.SubscribePath, asJSON, `{"source":` + strings.Repeat(`{"a":`, 20) + `1` + strings.Repeat(`}`, 21)},
	"too large":          {http.MethodPost, httpapi.SubscribePath, asJSON, `{"email":"` + strings.Repeat("a", 70000) + `"}`},
	"text":               {http.MethodPost, httpapi.SubscribePath, "text/plain", `{"email":"a@example.org"}`},
	"no address":         {http.MethodPost, httpapi.SubscribePath, asJSON, `{}`},
	"header injection":   {http.MethodPost, httpapi.SubscribePath, asJSON, `{"email":"a@example.org\r\nBcc: b@example.org"}`},
	"consent refused":    {http.MethodPost, httpapi.SubscribePath, asJSON, `{"email":"a@example.org","consent":{"granted":false}}`},
	"a wrong type":       {http.MethodPost, httpapi.SubscribePath, asJSON, `{"email":"a@example.org","locale":5}`},
	"two addresses":      {http.MethodPost, httpapi.SubscribePath, asForm, "email=a%40example.org&email=b%40example.org"},
	"a bad escape":       {http.MethodPost, httpapi.SubscribePath, asForm, "email=%zz"},
	"broken multipart":   {http.MethodPost, httpapi.SubscribePath, "multipart/form-data; boundary=x", "--x\r\nnonsense"},
	"GET of subscribe":   {http.MethodGet, httpapi.SubscribePath, "", ""},
	"DELETE":             {http.MethodDelete, httpapi.UnsubscribePath, "", ""},
	"no token":           {http.MethodPost, httpapi.ConfirmPath, asForm, ""},
	"a bad token":        {http.MethodPost, httpapi.ConfirmPath + "?token=nonsense", asForm, ""},
	"two tokens":         {http.MethodPost, httpapi.ConfirmPath + "?token=a&token=b", asForm, ""},
	"a long token":       {http.MethodPost, httpapi.UnsubscribePath + "?token=" + strings.Repeat("A", 900), asForm, ""},
	"a token with NUL":   {http.MethodPost, httpapi.UnsubscribePath + "?token=%00", asForm, "List-Unsubscribe=One-Click"},
	"a bad privacy link": {http.MethodGet, httpapi.PrivacyPath + "?token=AAAA", "", ""},
	"an unknown right":   {http.MethodPost, httpapi.PrivacyPath, asJSON, `{"email":"a@example.org","request":"rectify"}`},
	"half a right":       {http.MethodPost, httpapi.PrivacyPath, asJSON, `{"email":"a@example.org"}`},
	"an invalid address": {http.MethodPost, httpapi.UnsubscribePath, asJSON, `{"email":"jane"}`},
}

// badNames are the names of badInputs in a fixed order that a seed can choose from.
var badNames = sortedNames(badInputs)

func (r *run) planBad(random *rand.Rand) act {
	name := badNames[random.IntN(len(badNames))]
	return act{call: call{Op: opBad, Input: name}, request: badInputs[name]}
}
