package burst

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/upstash/vector-go"

	"newsletter/shared/outbound"
)

// call runs f with the library's client. The library supports neither contexts nor timeouts and ignores the status of a
// response; the HTTP client adds all three.
func (x *Index) call(ctx context.Context, what string, f func(index *vector.Index) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	index := vector.NewIndexWith(vector.Options{
		Url: strings.TrimSuffix(x.config.URL, "/"), Token: x.config.Token.Reveal(),
		Client: &http.Client{Transport: transport{ctx, x.client}},
	})
	err := f(index)
	if wrapped, ok := errors.AsType[*url.Error](err); ok { // its text contains the URL
		err = wrapped.Err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// transport sends requests through the outbound client with a context, and returns an error for every status but 200.
type transport struct {
	ctx    context.Context //nolint:containedctx // it belongs to one call
	client *outbound.Client
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.client.Do(r.Clone(t.ctx))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return nil, fmt.Errorf("index responded with status %d", response.StatusCode)
	}
	return response, nil
}
