package migrations

import "context"

// Status lists all migrations and changes nothing.
func (r *Runner) Status(ctx context.Context) (Result, error) {
	return r.command(ctx, "status", false, func(s *session, result *Result) error {
		done, err := readApplied(ctx, s.db)
		if err != nil {
			return err
		}
		problems, _, _ := compare(s.files, done)
		result.Problems = append(result.Problems, problems...)
		known := map[int64]bool{}
		for _, f := range s.files {
			known[f.version] = true
			m := Migration{Version: f.version, File: f.name, State: "pending"}
			for _, a := range done {
				if a.version == f.version {
					m.State, m.AppliedAt = "applied", &a.at
				}
			}
			result.Migrations = append(result.Migrations, m)
		}
		for _, a := range done {
			if !known[a.version] {
				result.Migrations = append(result.Migrations, Migration{Version: a.version, File: a.file, State: "newer", AppliedAt: &a.at})
			}
		}
		return nil
	})
}
