package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// checkPage fails unless a page is accessible and matches its content security policy.
func checkPage(t *testing.T, policy, page string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	var ids, labelled, inputs []string
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		attrs := make(map[string]string)
		for _, a := range n.Attr {
			attrs[a.Key] = a.Val
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				t.Errorf("<%s> has %s", n.Data, a.Key)
			}
		}
		switch n.Data {
		case "html":
			if attrs["lang"] == "" {
				t.Error("the page has no language")
			}
		case "style":
			sum := sha256.Sum256([]byte(n.FirstChild.Data))
			if hash := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, "style-src "+hash+";") {
				t.Errorf("the policy %q does not allow the style %s", policy, hash)
			}
		case "label":
			labelled = append(labelled, attrs["for"])
		case "input":
			if attrs["type"] != "hidden" {
				inputs = append(inputs, attrs["id"])
				ids = append(ids, attrs["id"])
			}
		case "form":
			if attrs["method"] != "post" || !strings.HasPrefix(attrs["action"], "/") {
				t.Errorf("form %v", attrs)
			}
		case "meta":
			count["meta "+attrs["name"]+attrs["charset"]]++
		}
	}
	slices.Sort(ids)
	if len(slices.Compact(slices.Clone(ids))) != len(ids) || !slices.Equal(inputs, labelled) {
		t.Errorf("inputs %v, labels for %v", inputs, labelled)
	}
	if count["h1"] != 1 || count["main"] != 1 || count["title"] != 1 || count["meta viewport"] != 1 || count["meta utf-8"] != 1 ||
		count["script"] != 0 || count["form"] != count["button"] {
		t.Errorf("elements %v", count)
	}
	for _, directive := range []string{"default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, directive) {
			t.Errorf("policy %q lacks %s", policy, directive)
		}
	}
}

func TestPagesEscapeEverything(t *testing.T) {
	t.Parallel()
	const evil = `"><script>alert('x')</script>&`
	field := Field{Name: evil, Value: evil, Label: evil, Type: evil, Autocomplete: evil, Required: true}
	response := HTML(http.StatusOK, Page{
		Lang: evil, Title: evil, Paragraphs: []string{evil}, Items: []string{evil}, Quote: evil, Footer: []string{"", evil},
		Forms: []PageForm{{Action: "/" + evil, Button: evil, Hidden: []Field{field}, Inputs: []Field{field}}},
	})
	checkPage(t, response.Header.Get("Content-Security-Policy"), string(response.Body))
	root, err := html.Parse(strings.NewReader(string(response.Body)))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for n := range root.Descendants() {
		if n.Type == html.TextNode && strings.Contains(n.Data, evil) {
			seen++
		}
		for _, a := range n.Attr {
			if strings.Contains(a.Val, evil) {
				seen++
			}
		}
	}
	// lang, title, h1, paragraph, item, quote, footer · action, button · name, value · label, for, id, name, type,
	// value, autocomplete
	if seen != 18 {
		t.Errorf("%d values came through unchanged, want 18:\n%s", seen, response.Body)
	}
}

func TestFieldIDsOfTwoForms(t *testing.T) {
	t.Parallel()
	form := PageForm{Action: "/a", Button: "Send", Inputs: []Field{{Name: "email", Label: "Email", Type: "email"}}}
	secondary := form
	secondary.Secondary = true
	response := HTML(http.StatusOK, Page{Title: "Two", Forms: []PageForm{form, secondary}})
	checkPage(t, response.Header.Get("Content-Security-Policy"), string(response.Body))
}
