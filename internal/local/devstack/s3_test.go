package devstack

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheFakeOfS3RefusesWhatS3Refuses(t *testing.T) {
	const signature = "AWS4-HMAC-SHA256 Credential=AKIDLOCAL/20260101/eu-central-1/s3/aws4_request, " +
		"SignedHeaders=host;x-amz-checksum-sha256;x-amz-content-sha256;x-amz-date, Signature=x"
	whole := map[string]string{
		"Authorization": signature, "X-Amz-Date": "20260101T000000Z", "X-Amz-Content-Sha256": hexSum([]byte("{}")),
		"X-Amz-Checksum-Sha256": base64Sum([]byte("{}")), "If-None-Match": "*",
	}
	for name, test := range map[string]struct {
		path, header, value string
		status              int
	}{
		"whole":              {"/" + S3Bucket + "/a", "", "", 200},
		"there":              {"/" + S3Bucket + "/there", "", "", 412},
		"another bucket":     {"/other/a", "", "", 404},
		"no key":             {"/" + S3Bucket + "/", "", "", 501},
		"no condition":       {"/" + S3Bucket + "/a", "If-None-Match", "", 400},
		"no checksum":        {"/" + S3Bucket + "/a", "X-Amz-Checksum-Sha256", "", 400},
		"wrong checksum":     {"/" + S3Bucket + "/a", "X-Amz-Checksum-Sha256", base64Sum([]byte("x")), 400},
		"wrong content hash": {"/" + S3Bucket + "/a", "X-Amz-Content-Sha256", hexSum([]byte("x")), 400},
		"unsigned content":   {"/" + S3Bucket + "/a", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD", 400},
		"unsigned":           {"/" + S3Bucket + "/a", "Authorization", "", 403},
		"signed for SES":     {"/" + S3Bucket + "/a", "Authorization", strings.Replace(signature, "/s3/", "/ses/", 1), 403},
		"header not signed":  {"/" + S3Bucket + "/a", "X-Amz-Acl", "public-read", 403},
	} {
		t.Run(name, func(t *testing.T) {
			double, answer := NewS3(0), httptest.NewRecorder()
			double.Put("there", []byte("{}"))
			request := httptest.NewRequest(http.MethodPut, test.path, strings.NewReader("{}"))
			for name, value := range whole {
				request.Header.Set(name, value)
			}
			if test.header != "" {
				request.Header.Set(test.header, test.value)
			}
			double.ServeHTTP(answer, request)
			expected := test.status == 200 || test.status == 412 || test.status == 404
			if answer.Code != test.status || (len(double.Problems()) == 0) != expected || (double.Objects()["a"] != nil) != (name == "whole") {
				t.Errorf("%d %s %v", answer.Code, answer.Body, double.Problems())
			}
		})
	}
}
