package anchor

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// heads returns a number of anchors, one an hour.
func heads(n int) (all []Anchor) {
	for i := range n {
		all = append(all, Anchor{To: noon.Add(time.Duration(i) * time.Hour), Hash: bytes.Repeat([]byte{byte(i)}, 32), Events: i})
	}
	return all
}

// TestAnchors writes anchors twice and lists them, in a folder and in a fake of S3 that refuses what could replace an
// object, with lists of three keys.
func TestAnchors(t *testing.T) {
	fake := devstack.NewS3(3)
	server := httptest.NewServer(http.StripPrefix("/s3", fake))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"FAKES_URL": server.URL, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "test",
	} {
		t.Setenv(name, value)
	}
	for _, url := range []string{"file://" + t.TempDir() + "/anchors", "s3://" + devstack.S3Bucket + "/site"} {
		a, err := New(Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		if ends, err := a.List(t.Context()); err != nil || len(ends) != 0 {
			t.Errorf("%s: empty: %v %v", url, ends, err)
		}
		for range 2 { // a repeated write is no error
			for _, head := range heads(8) {
				if err := a.Write(t.Context(), head); err != nil {
					t.Fatal(err)
				}
			}
		}
		ends, err := a.List(t.Context())
		if err != nil || len(ends) != 8 {
			t.Errorf("%s: %v %v", url, ends, err)
		}
		for _, head := range heads(8) {
			if !ends[string(head.Hash)].Equal(head.To) {
				t.Errorf("%s: %x ends %s", url, head.Hash, ends[string(head.Hash)])
			}
		}
	}
	if problems := fake.Problems(); len(problems) != 0 {
		t.Errorf("S3 would refuse: %v", problems)
	}
	fake.Put("site/seals/v1/2026-03-01T12Z.json", nil)
	a, _ := New(Config{URL: "s3://" + devstack.S3Bucket + "/site"})
	if _, err := a.List(t.Context()); err == nil || !strings.Contains(err.Error(), "is no anchor") {
		t.Errorf("an object that is no anchor: %v", err)
	}
}

// TestFailures checks that an anchor that is not stored is an error, and so is a list that cannot be read.
func TestFailures(t *testing.T) {
	fake := devstack.NewS3(0)
	server := httptest.NewServer(http.StripPrefix("/s3", fake))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"FAKES_URL": server.URL, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "test",
	} {
		t.Setenv(name, value)
	}
	a, err := New(Config{URL: "s3://" + devstack.S3Bucket})
	if err != nil {
		t.Fatal(err)
	}
	fake.Fail(devstack.Fault{Status: http.StatusForbidden})
	if err := a.Write(t.Context(), heads(1)[0]); err == nil || !strings.Contains(err.Error(), "anchor the seal until 2026-03-01T12:00:00Z") {
		t.Errorf("write: %v", err)
	}
	fake.Fail(devstack.Fault{Status: http.StatusForbidden})
	if _, err := a.List(t.Context()); err == nil {
		t.Error("a refused list is no error")
	}
}

func TestInvalidURLs(t *testing.T) {
	for url, want := range map[string]bool{
		"": false, "s3://bucket": true, "s3://bucket/a/b": true, "file:///folder": true, "file://folder": false, "https://bucket": false, "s3://B": false,
	} {
		env := config.FromMap(map[string]string{"ANCHOR_URL": url})
		config.Read[Config](env)
		if err := env.Err(); (err == nil) != want || err != nil && !strings.Contains(err.Error(), "ANCHOR_URL") {
			t.Errorf("%q: %v", url, err)
		}
	}
}
