package operate

import (
	"encoding/json"
	"slices"
	"strings"
)

// maxListed limits the rows that one command lists, or changes by "all".
const maxListed = 10_000

// A List is the rows of a list. It is not complete if there are more than maxListed rows, or if more would exceed
// MaxPayload.
type List[Row any] struct {
	Rows []Row `json:"rows"`
	More bool  `json:"more"` // there may be more
}

// Counts returns the number of rows, for the log.
func (l List[Row]) Counts() map[string]int64 { return map[string]int64{"rows": int64(len(l.Rows))} }

// list returns the rows as far as they fit in a result.
func list[Row any](rows []Row) (List[Row], error) {
	l := List[Row]{append([]Row{}, rows...), len(rows) >= maxListed} // [] in JSON, not null
	size := len(`{"rows":[],"more":false}`)
	for n, row := range rows {
		text, err := json.Marshal(row)
		if err != nil {
			return l, err
		}
		if size += len(text) + 1; size > MaxPayload {
			return List[Row]{l.Rows[:n], true}, nil
		}
	}
	return l, nil
}

// CheckKnown refuses a value that is not among the known ones, which it lists. what is the kind of value, such as "reason".
func CheckKnown[T ~string](what string, value T, known []T) error {
	if slices.Contains(known, value) {
		return nil
	}
	names := make([]string, len(known))
	for i, name := range known {
		names[i] = string(name)
	}
	slices.Sort(names)
	return Wrong("unknown %s %q; known: %s", what, string(value), strings.Join(slices.Compact(names), ", "))
}
