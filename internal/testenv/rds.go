package testenv

import (
	"path/filepath"
	"testing"

	"newsletter/internal/pgserver"
)

// RDS starts a PostgreSQL for one test with the roles of a new Amazon RDS instance: the superuser is AWS's. The
// master user owns the database, is a member of rds_superuser, may create roles and databases, and may grant rds_iam,
// the role for signing in with IAM. Roles belong to a server, so a first deployment finds these.
func RDS(t testing.TB) *Database {
	t.Helper()
	s := required(t)
	dir := filepath.Join(t.TempDir(), "postgres")
	server, err := pgserver.Start(t.Context(), pgserver.Options{Dir: dir, TLS: s.TLS, Throwaway: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Stop()
		if err := pgserver.Remove(dir); err != nil { // the data of root's server is in another folder
			t.Error(err)
		}
	})
	const name, master = "newsletter", "master"
	password, app := random(), random()
	db := &Database{
		Name: name, CAFile: s.CAFile, AppPassword: app, AdminURL: server.AdminURL(name), ServerURL: server.AdminURL("postgres"),
		AppURL: server.URL(name, AppUser, app), DirectURL: server.URL(name, AppUser, app), MasterURL: server.URL(name, master, password),
	}
	statements := []string{
		"create role rds_superuser", "create role rds_iam",
		"create role " + master + " login createdb createrole in role rds_superuser password '" + password + "'",
		"create database " + name + " owner " + master,
	}
	if db.Version(t) >= 16 { // before 16, CREATEROLE includes granting every role
		statements = append(statements, "grant rds_iam to rds_superuser with admin option, inherit false, set false")
	}
	conn := db.ServerConn(t)
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return db
}
