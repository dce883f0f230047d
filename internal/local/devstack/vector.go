package devstack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"newsletter/internal/fixtures/canary"
)

// VectorToken is the token that the fake of Upstash Vector takes.
const VectorToken = "local-vector-token"

// vectorDimensions and the metric COSINE are those of the index that the documentation asks for.
const vectorDimensions = 512

type point struct {
	ID       string           `json:"id"`
	Vector   []float32        `json:"vector"`
	Metadata map[string]int64 `json:"metadata"`
}

// Vector is a fake of an index of Upstash Vector (REST API) with 512 dimensions and the metric COSINE. It checks what
// the service checks, and that nothing about a person gets there. It is safe for concurrent use.
type Vector struct {
	faults
	namespaces map[string][]point
}

// Namespaces counts the vectors by name space.
func (v *Vector) Namespaces() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := map[string]int{}
	for name, points := range v.namespaces {
		all[name] = len(points)
	}
	return all
}

// Put adds n vectors to a namespace, none similar to any other.
func (v *Vector) Put(namespace string, at time.Time, n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range n {
		v.keep(namespace, point{ID: fmt.Sprint("put-", i), Vector: make([]float32, vectorDimensions), Metadata: map[string]int64{"ts": at.Unix()}})
	}
}

// ServeHTTP implements http.Handler.
func (v *Vector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.serve(canary.Vector, w, r, v.answer)
}

func (v *Vector) answer(w http.ResponseWriter, r *http.Request) {
	result, err := v.do(r)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		v.problem(err.Error())
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": err.Error(), "status": http.StatusUnprocessableEntity})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"result": result})
}

func (v *Vector) do(r *http.Request) (any, error) {
	if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+VectorToken {
		return nil, fmt.Errorf("%s without the token", r.Method)
	}
	command, namespace, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	v.mu.Lock()
	defer v.mu.Unlock()
	switch command {
	case "upsert":
		var p point
		if err := decodeBody(r, &p); err != nil {
			return nil, err
		}
		if err := p.check(); err != nil {
			return nil, err
		}
		v.keep(namespace, p)
		return "Success", nil
	case "query":
		return v.query(r, namespace)
	case "list-namespaces":
		names := []string{""}
		for name := range v.namespaces {
			names = append(names, name)
		}
		return names, nil
	case "delete-namespace":
		if _, found := v.namespaces[namespace]; !found {
			return nil, fmt.Errorf("namespace %q does not exist", namespace)
		}
		delete(v.namespaces, namespace)
		return "Success", nil
	}
	return nil, fmt.Errorf("no command %q", command)
}

var vectorID = regexp.MustCompile(`^[0-9a-f]{16,64}$`)

// check refuses what the service refuses, and what may be personal data.
func (p point) check() error {
	if !vectorID.MatchString(p.ID) {
		return fmt.Errorf("the id %q may mean something", p.ID)
	}
	if len(p.Vector) != vectorDimensions {
		return fmt.Errorf("invalid vector dimension: %d, expected: %d", len(p.Vector), vectorDimensions)
	}
	if _, timed := p.Metadata["ts"]; !timed || len(p.Metadata) != 1 {
		return fmt.Errorf("metadata %v", p.Metadata)
	}
	return nil
}

func (v *Vector) keep(namespace string, p point) {
	if v.namespaces == nil {
		v.namespaces = map[string][]point{}
	}
	same := func(o point) bool { return o.ID == p.ID }
	v.namespaces[namespace] = append(slices.DeleteFunc(v.namespaces[namespace], same), p)
}

var vectorFilter = regexp.MustCompile(`^ts > (\d+)$`)

func (v *Vector) query(r *http.Request, namespace string) (any, error) {
	var q struct {
		Vector []float32 `json:"vector"`
		TopK   int       `json:"topK"`
		Filter string    `json:"filter"`

		IncludeVectors  bool `json:"includeVectors"`
		IncludeMetadata bool `json:"includeMetadata"`
		IncludeData     bool `json:"includeData"`
	}
	if err := decodeBody(r, &q); err != nil {
		return nil, err
	}
	filter := vectorFilter.FindStringSubmatch(q.Filter)
	if len(q.Vector) != vectorDimensions || q.TopK < 1 || q.TopK > 1000 || filter == nil {
		return nil, fmt.Errorf("%d dimensions, top %d, filter %q", len(q.Vector), q.TopK, q.Filter)
	}
	since, err := strconv.ParseInt(filter[1], 10, 64)
	if err != nil {
		return nil, err
	}
	type score struct {
		ID    string  `json:"id"`
		Score float64 `json:"score"`
	}
	scores := []score{}
	for _, p := range v.namespaces[namespace] {
		if p.Metadata["ts"] > since {
			scores = append(scores, score{p.ID, (1 + similarity(q.Vector, p.Vector)) / 2})
		}
	}
	slices.SortFunc(scores, func(a, b score) int { return cmp.Compare(b.Score, a.Score) })
	return scores[:min(len(scores), q.TopK)], nil
}

// decodeBody reads a body of which every member is known. The library sends no content type.
func decodeBody(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// similarity returns the cosine of two vectors, or 0 if one has no length.
func similarity(a, b []float32) float64 {
	var product, x, y float64
	for i := range a {
		product, x, y = product+float64(a[i])*float64(b[i]), x+float64(a[i])*float64(a[i]), y+float64(b[i])*float64(b[i])
	}
	if x == 0 || y == 0 {
		return 0
	}
	return product / math.Sqrt(x*y)
}
