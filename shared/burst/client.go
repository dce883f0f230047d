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

// call lets f use the library's client within the time of one call. The library knows neither a context nor a timeout nor
// the status of an answer, so all three are given to it from outside.
func (x *Index) call(ctx context.Context, what string, f func(index *vector.Index) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	index := vector.NewIndexWith(vector.Options{
		Url: strings.TrimSuffix(x.config.URL, "/"), Token: x.config.Token.Reveal(), Client: &http.Client{Transport: guarded{ctx, x.client}},
	})
	err := f(index)
	if wrapped, ok := errors.AsType[*url.Error](err); ok { // which would tell the address
		err = wrapped.Err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// guarded sends requests under a context through the guarded client, and makes an error of every status but 200.
type guarded struct {
	ctx    context.Context //nolint:containedctx // it belongs to one call
	client *outbound.Client
}

// RoundTrip implements http.RoundTripper.
func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := g.client.Do(r.Clone(g.ctx))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return nil, fmt.Errorf("the index answered %d", response.StatusCode)
	}
	return response, nil
}
