package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/config"
	"newsletter/shared/redistls"
)

// toxics are the ways in which a network fails, as toxiproxy names them.
var toxics = map[string][]string{
	"frozen":            {`{"name":"a","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`, `{"name":"b","type":"timeout","stream":"upstream","attributes":{"timeout":0}}`},
	"answers lost":      {`{"name":"a","type":"timeout","stream":"downstream","attributes":{"timeout":20}}`},
	"slow":              {`{"name":"a","type":"latency","stream":"downstream","attributes":{"latency":80,"jitter":60}}`},
	"reset":             {`{"name":"a","type":"reset_peer","stream":"downstream","attributes":{"timeout":5}}`},
	"cut in the middle": {`{"name":"a","type":"limit_data","stream":"downstream","attributes":{"bytes":700}}`},
}

// poison makes the connection to a server fail for a while.
func (r *run) poison(server, how string) func(context.Context, time.Duration, *rand.Rand) {
	way := r.system.ways[server]
	return func(ctx context.Context, last time.Duration, _ *rand.Rand) {
		var names []string
		for _, text := range toxics[how] {
			toxic, err := way.Toxics.AddToxicJson(strings.NewReader(text))
			if err != nil {
				r.complain(server+" "+how, err)
				continue
			}
			names = append(names, toxic.Name)
		}
		sleep(ctx, last)
		for _, name := range names {
			if err := way.Toxics.RemoveToxic(context.WithoutCancel(ctx), name); err != nil {
				r.complain(server+" "+how, err)
			}
		}
	}
}

// refuse closes the port of a server for a while.
func (r *run) refuse(server string) func(context.Context, time.Duration, *rand.Rand) {
	way := r.system.ways[server]
	return func(ctx context.Context, last time.Duration, _ *rand.Rand) {
		way.Stop()
		sleep(ctx, last)
		if err := way.Start(); err != nil {
			r.complain(server+" refused", err)
		}
	}
}

// complain reports a fault that could not be injected or ended, which makes the history less conclusive.
func (r *run) complain(what string, err error) {
	fmt.Fprintf(r.out, "%s: %v\n", what, err)
	r.recorder.problem(fmt.Sprintf("inject the fault %q: %v", what, err))
}

func (r *run) postgresTroubles() []injector {
	all := []injector{
		{"postgres: connections ended", "postgres", 3, r.terminate},
		{"postgres: port closed", "postgres", 2, r.refuse("postgres")},
		{"postgres: killed", "postgres", 1, r.crash},
	}
	for _, how := range sortedNames(toxics) {
		all = append(all, injector{"postgres: " + how, "postgres", 2, r.poison("postgres", how)})
	}
	return all
}

func (r *run) terminate(ctx context.Context, _ time.Duration, _ *rand.Rand) {
	_ = r.system.admin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename = 'app'`, r.system.db.Name)
		return err
	})
}

func (r *run) crash(ctx context.Context, _ time.Duration, _ *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := r.system.servers.CrashPostgres(ctx); err != nil {
		r.complain("postgres killed", err)
	}
}

func (r *run) redisTroubles() []injector {
	server := r.system.redis
	if server == nil {
		return nil
	}
	all := []injector{
		{"redis: emptied", "redis", 3, r.flush},
		{"redis: port closed", "redis", 1, r.refuse("redis")},
		{"redis: killed", "redis", 2, func(ctx context.Context, last time.Duration, _ *rand.Rand) {
			server.Kill()
			sleep(ctx, last)
			if err := server.Restart(); err != nil {
				r.complain("redis killed", err)
			}
		}},
		{"redis: silent", "redis", 2, func(ctx context.Context, last time.Duration, _ *rand.Rand) {
			server.Freeze()
			sleep(ctx, last)
			server.Thaw()
		}},
	}
	for _, how := range sortedNames(toxics) {
		all = append(all, injector{"redis: " + how, "redis", 1, r.poison("redis", how)})
	}
	return all
}

// flush removes everything from Redis, as an intruder or a failover would.
func (r *run) flush(ctx context.Context, _ time.Duration, _ *rand.Rand) {
	server := r.system.redis
	client, err := redistls.New(redistls.Config{URL: config.Seal(server.URL), CAFile: server.CAFile})
	if err != nil {
		r.complain("redis emptied", err)
		return
	}
	defer client.Close()
	if err := client.FlushAll(ctx).Err(); err != nil && ctx.Err() == nil {
		r.complain("redis emptied", err)
	}
}
