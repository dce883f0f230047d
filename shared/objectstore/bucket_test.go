package objectstore

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"newsletter/internal/local/devstack"
)

// TestOverTLS checks that the checksum is a header; over TLS, the SDK would send it as a trailer.
func TestOverTLS(t *testing.T) {
	fake := devstack.NewS3(0)
	server := httptest.NewTLSServer(http.StripPrefix("/s3", fake))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"FAKES_URL": server.URL, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "test",
	} {
		t.Setenv(name, value)
	}
	b := newBucket(devstack.S3Bucket, "site")
	options := b.client.Options()
	options.HTTPClient = server.Client()
	b.client = s3.New(options)
	for range 2 { // an existing object is no error
		if err := b.Put(t.Context(), "a/b", []byte("content")); err != nil {
			t.Fatal(err)
		}
	}
	content, err := b.Get(t.Context(), "a/b")
	if err != nil || string(content) != "content" || len(fake.Problems()) != 0 {
		t.Errorf("%q %v %v", content, err, fake.Problems())
	}
	for keys, err := range b.List(t.Context(), "a/", "") {
		if err != nil || len(keys) != 1 || keys[0] != "a/b" {
			t.Errorf("%v %v", keys, err)
		}
	}
}
