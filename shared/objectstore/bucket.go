package objectstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"newsletter/shared/awssdk"
	"newsletter/shared/outbox"
)

// bucket stores objects in Amazon S3.
type bucket struct {
	client       *s3.Client
	name, prefix string // the prefix is empty or ends with a slash
}

// maxObject bounds the bytes that are read of an object. An entry of the journal has 400.
const maxObject = 64 << 10

func newBucket(name, prefix string) bucket {
	if prefix != "" {
		prefix += "/"
	}
	endpoint := awssdk.Endpoint("s3")
	return bucket{name: name, prefix: prefix, client: s3.New(s3.Options{
		Region: awssdk.Region(), Credentials: awssdk.Credentials(), BaseEndpoint: endpoint,
		UsePathStyle: endpoint != nil, // the local stack has no host name for each bucket
		HTTPClient:   awshttp.NewBuildableClient().WithTimeout(WriteTimeout),
		Retryer:      aws.NopRetryer{}, // the caller retries writes

		DisableLogOutputChecksumValidationSkipped: true,
	})}
}

// withRetries retries a read, which no caller retries.
func withRetries(o *s3.Options) { o.Retryer = retry.NewStandard() }

// errNotStored is the error for a response that does not prove that the object was stored.
var errNotStored = errors.New("the response does not confirm that the object was stored")

// Put implements Store.
func (b bucket) Put(ctx context.Context, key string, content []byte) error {
	sum := sha256.Sum256(content)
	checksum := base64.StdEncoding.EncodeToString(sum[:])
	output, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.name, Key: aws.String(b.prefix + key), Body: bytes.NewReader(content), ContentType: aws.String("application/json"),
		ContentLength:  aws.Int64(int64(len(content))),
		IfNoneMatch:    aws.String("*"),
		ChecksumSHA256: &checksum, // computed here, so that it is a header and not a trailer
	})
	if err != nil {
		return classify(err)
	}
	if aws.ToString(output.ETag) == "" || output.ChecksumSHA256 != nil && *output.ChecksumSHA256 != checksum {
		return &outbox.Failure{Cause: "bad_response", Err: errNotStored}
	}
	return nil
}

// Get implements Store.
func (b bucket) Get(ctx context.Context, key string) ([]byte, error) {
	output, err := b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.name, Key: aws.String(b.prefix + key), ChecksumMode: types.ChecksumModeEnabled,
	}, withRetries)
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Body.Close() }()
	return io.ReadAll(io.LimitReader(output.Body, maxObject)) // the SDK verifies the checksum at the end
}

// List implements Store.
func (b bucket) List(ctx context.Context, under, after string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{
			Bucket: &b.name, Prefix: aws.String(b.prefix + under), StartAfter: aws.String(b.prefix + after),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx, withRetries)
			if err != nil {
				yield(nil, err)
				return
			}
			keys := make([]string, 0, len(page.Contents))
			for _, object := range page.Contents {
				keys = append(keys, strings.TrimPrefix(aws.ToString(object.Key), b.prefix))
			}
			if !yield(keys, nil) {
				return
			}
		}
	}
}

// classify classifies the failures of S3 (API reference, "Error responses"); nil means that the object existed.
func classify(err error) error {
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && timeout.Timeout() { // also while reading the response
		return &outbox.Failure{Cause: "timeout", Err: err}
	}
	failure, status := &outbox.Failure{Cause: "unreachable", Err: err}, 0
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok && response.HTTPStatusCode() != 0 {
		status = response.HTTPStatusCode()
		failure.Cause, failure.RetryAfter = "status_"+strconv.Itoa(status), retryAfter(response.Response.Header)
	}
	code := ""
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	switch {
	case status == http.StatusPreconditionFailed:
		return nil
	case status/100 == 2: // not a response of S3
		failure.Cause = "bad_response"
	case code == "SlowDown", status == http.StatusTooManyRequests:
		failure.Cause, failure.AffectsDestination = "throttled", true
	case code == "NoSuchBucket", status/100 == 3: // the bucket does not exist, or is in another region
		failure.Cause, failure.AffectsDestination, failure.NeedsOwner = "not_set_up", true, true
	case status == http.StatusForbidden:
		failure.Cause, failure.AffectsDestination, failure.NeedsOwner = "unauthorized", true, true
	case status/100 == 4 && !isTransient(code): // every object would be refused
		failure.AffectsDestination, failure.NeedsOwner = true, true
	}
	return failure
}

// isTransient reports whether a retry may succeed.
func isTransient(code string) bool {
	switch code {
	case "BadDigest", "ConditionalRequestConflict", "IncompleteBody", "OperationAborted", "RequestTimeout":
		return true
	}
	return false
}

func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 86400)) * time.Second // the outbox waits no longer than a day
}
