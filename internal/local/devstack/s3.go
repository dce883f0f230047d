package devstack

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"newsletter/internal/fixtures/canary"
)

// S3Bucket is the bucket that the fake of Amazon S3 has.
const S3Bucket = "local-journal"

// S3 is a fake of Amazon S3 with one bucket: PutObject, GetObject and ListObjectsV2, by path. It checks signatures'
// form, checksums and conditions, keeps the objects, and fails as Fail requests. It is safe for concurrent use.
type S3 struct {
	faults
	objects   map[string][]byte
	pageSize  int // of lists; 0 is S3's own 1000
	corrupted map[string]bool
}

// NewS3 returns a fake whose lists have pages of a size; 0 is S3's own.
func NewS3(pageSize int) *S3 {
	return &S3{objects: map[string][]byte{}, corrupted: map[string]bool{}, pageSize: pageSize}
}

// Objects returns all objects by key.
func (s *S3) Objects() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.objects)
}

// Put stores an object without checks.
func (s *S3) Put(key string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key] = content
}

// Corrupt makes Get return changed bytes for an object, as a faulty network may.
func (s *S3) Corrupt(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.corrupted[key] = true
}

// s3Error is an answer that says no.
type s3Error struct {
	XMLName struct{} `xml:"Error"`
	Code    string
	Message string
	status  int
}

func (e *s3Error) Error() string { return e.Code + ": " + e.Message }

// ServeHTTP implements http.Handler.
func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serve(canary.Journal, w, r, s.answer)
}

func (s *S3) answer(w http.ResponseWriter, r *http.Request) {
	err := s.act(w, r)
	refused, ok := errors.AsType[*s3Error](err)
	if !ok {
		return
	}
	if refused.status == http.StatusBadRequest || refused.status == http.StatusForbidden || refused.status == http.StatusNotImplemented {
		s.problem(r.Method + " " + r.URL.Path + ": " + refused.Error())
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(refused.status)
	_ = xml.NewEncoder(w).Encode(refused) // the client may have disconnected
}

func (s *S3) act(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if err := checkS3Signature(r, body); err != nil {
		return err
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case bucket != S3Bucket:
		return &s3Error{Code: "NoSuchBucket", Message: bucket, status: http.StatusNotFound}
	case r.Method == http.MethodPut && key != "":
		return s.put(w, r, key, body)
	case r.Method == http.MethodGet && key != "":
		return s.get(w, r, key)
	case r.Method == http.MethodGet && r.URL.Query().Get("list-type") == "2":
		return s.list(w, r.URL.Query())
	}
	return &s3Error{Code: "NotImplemented", Message: r.Method, status: http.StatusNotImplemented}
}

// checkS3Signature checks the form of a signature (AWS Signature Version 4) and that it covers what S3 wants covered.
func checkS3Signature(r *http.Request, body []byte) error {
	auth := r.Header.Get("Authorization")
	_, covered, _ := strings.Cut(auth, "SignedHeaders=")
	covered, _, _ = strings.Cut(covered, ",")
	signed := strings.Split(covered, ";")
	if !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential=") || !strings.Contains(auth, "/s3/aws4_request") || r.Header.Get("X-Amz-Date") == "" {
		return &s3Error{Code: "AccessDenied", Message: "the request is not signed for S3", status: http.StatusForbidden}
	}
	for name := range r.Header {
		name = strings.ToLower(name)
		if !slices.Contains(signed, "host") || strings.HasPrefix(name, "x-amz-") && !slices.Contains(signed, name) {
			return &s3Error{Code: "AccessDenied", Message: "the signature does not cover " + name, status: http.StatusForbidden}
		}
	}
	switch hash := r.Header.Get("X-Amz-Content-Sha256"); {
	case hash == "UNSIGNED-PAYLOAD" && r.TLS != nil:
	case hash != hexSum(body):
		return &s3Error{Code: "XAmzContentSHA256Mismatch", Message: hash, status: http.StatusBadRequest}
	}
	return nil
}

func hexSum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func base64Sum(content []byte) string {
	sum := sha256.Sum256(content)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (s *S3) put(w http.ResponseWriter, r *http.Request, key string, body []byte) error {
	checksum := r.Header.Get("X-Amz-Checksum-Sha256")
	_, there := s.objects[key]
	switch condition := r.Header.Get("If-None-Match"); {
	case condition != "*":
		return &s3Error{Code: "InvalidRequest", Message: "the object could be replaced", status: http.StatusBadRequest}
	case checksum != base64Sum(body):
		return &s3Error{Code: "BadDigest", Message: "the checksum is missing or another", status: http.StatusBadRequest}
	case there:
		return &s3Error{Code: "PreconditionFailed", Message: "the object is there", status: http.StatusPreconditionFailed}
	}
	s.objects[key] = body
	w.Header().Set("ETag", `"`+hexSum(body)[:32]+`"`)
	w.Header().Set("X-Amz-Checksum-Sha256", checksum)
	w.Header().Set("X-Amz-Version-Id", strconv.Itoa(len(s.objects)))
	return nil
}

func (s *S3) get(w http.ResponseWriter, r *http.Request, key string) error {
	content, there := s.objects[key]
	if !there {
		return &s3Error{Code: "NoSuchKey", Message: key, status: http.StatusNotFound}
	}
	if r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
		w.Header().Set("X-Amz-Checksum-Sha256", base64Sum(content))
	}
	if s.corrupted[key] {
		content = append([]byte(" "), content[:len(content)-1]...)
	}
	_, err := w.Write(content)
	return err
}

// listing is the answer of ListObjectsV2.
type listing struct {
	XMLName               struct{} `xml:"ListBucketResult"`
	Name, Prefix          string
	IsTruncated           bool
	KeyCount              int
	NextContinuationToken string `xml:",omitempty"`
	Contents              []struct{ Key string }
}

func (s *S3) list(w http.ResponseWriter, query url.Values) error {
	after, size := query.Get("start-after"), s.pageSize
	if token := query.Get("continuation-token"); token != "" {
		last, err := base64.URLEncoding.DecodeString(token)
		if err != nil {
			return &s3Error{Code: "InvalidArgument", Message: "the continuation token", status: http.StatusBadRequest}
		}
		after = string(last)
	}
	if size == 0 {
		size = 1000
	}
	answer := listing{Name: S3Bucket, Prefix: query.Get("prefix")}
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(key, answer.Prefix) || key <= after {
			continue
		}
		if len(answer.Contents) == size {
			answer.IsTruncated = true
			answer.NextContinuationToken = base64.URLEncoding.EncodeToString([]byte(answer.Contents[size-1].Key))
			break
		}
		answer.Contents = append(answer.Contents, struct{ Key string }{key})
	}
	answer.KeyCount = len(answer.Contents)
	w.Header().Set("Content-Type", "application/xml")
	_, _ = fmt.Fprint(w, xml.Header) // the client may have disconnected
	return xml.NewEncoder(w).Encode(answer)
}
