package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"newsletter/internal/local/child"
)

// engine is a Docker engine behind a proxy socket. The proxy puts every container on the host's network, where the
// functions reach the stack on 127.0.0.1 without a bridge or firewall rule, and the host's architecture. `sam local`
// has no options for that.
type engine struct {
	socket    string
	variables map[string]string // added to those of each new container
	client    *http.Client      // calls the real engine
	server    *http.Server
	own       *child.Child // an engine that was started here
}

const defaultSocket = "/var/run/docker.sock"

// openEngine finds a running engine, or starts one if this process may.
func openEngine(ctx context.Context, dir string) (*engine, error) {
	if runtime.GOOS != "linux" {
		return nil, errMissing("`sam local` against this stack needs Docker on Linux, where containers can use the host's network")
	}
	real := strings.TrimPrefix(os.Getenv("DOCKER_HOST"), "unix://")
	if real == "" {
		real = defaultSocket
	}
	e := &engine{client: unixClient(real)}
	if !e.alive(ctx) {
		var err error
		if real, err = e.start(ctx, dir); err != nil {
			return nil, err
		}
	}
	return e, e.serve(filepath.Join(dir, "docker-proxy.sock"), real)
}

// start starts an engine of our own: without a bridge, so that it changes nothing in this machine's network.
func (e *engine) start(ctx context.Context, dir string) (string, error) {
	dockerd, err := exec.LookPath("dockerd")
	if err != nil {
		return "", errMissing("Docker is not here; install it by: apt-get install docker.io")
	}
	if os.Geteuid() != 0 {
		return "", errMissing("Docker does not run, and only root can start it: sudo systemctl start docker")
	}
	// A socket's path is short (108 bytes), so it does not lie in the data folder.
	sockets, err := os.MkdirTemp("", "newsletter-docker-")
	if err != nil {
		return "", err
	}
	socket := filepath.Join(sockets, "docker.sock")
	var log bytes.Buffer
	e.own, err = child.Start(child.Options{Path: dockerd, Log: &log, Args: []string{
		"--host", "unix://" + socket, "--data-root", filepath.Join(dir, "docker"), "--exec-root", filepath.Join(sockets, "exec"),
		"--pidfile", filepath.Join(sockets, "pid"), "--iptables=false", "--ip6tables=false", "--bridge=none",
	}})
	if err != nil {
		return "", err
	}
	e.client = unixClient(socket)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if e.alive(ctx) {
			return socket, nil
		}
		select {
		case <-e.own.Done():
			return "", fmt.Errorf("dockerd ended:\n%s", log.String())
		default:
		}
	}
	e.own.Stop(5 * time.Second)
	return "", errors.New("dockerd did not answer within a minute")
}

func (e *engine) close() {
	_ = e.server.Close()
	if e.own != nil {
		e.own.Stop(20 * time.Second)
	}
}

func (e *engine) alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", nil)
	if err != nil {
		return false
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// makeImage imports an image that holds the folders of Lambda and files: its paths, without the first slash, and what
// they are copies of.
func (e *engine) makeImage(ctx context.Context, repository, tag string, copies map[string]string) error {
	var files bytes.Buffer
	archive := tar.NewWriter(&files)
	for _, folder := range []string{"var/", "var/rapid/", "var/task/", "var/runtime/", "opt/", "tmp/"} {
		if err := archive.WriteHeader(&tar.Header{Name: folder, Typeflag: tar.TypeDir, Mode: 0o777}); err != nil {
			return err
		}
	}
	for path, original := range copies {
		content, err := os.ReadFile(original)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: path, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(content))}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(content); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	query := url.Values{"fromSrc": {"-"}, "repo": {repository}, "tag": {tag}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://docker/images/create?"+query.Encode(), &files)
	if err != nil {
		return err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return fmt.Errorf("import the base image: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`"error"`)) {
		return fmt.Errorf("import the base image: %s %s %w", resp.Status, answer, err)
	}
	return nil
}

// serve passes everything on to the engine, and changes requests for containers to be part of this machine.
func (e *engine) serve(socket, real string) error {
	_ = os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	e.socket = socket
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker"
		},
		Transport:     unixClient(real).Transport,
		FlushInterval: -1, // logs are streamed
	}
	e.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/containers/create") {
			if err := ontoThisMachine(r, e.variables); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = e.server.Serve(listener) }()
	return nil
}

// ontoThisMachine changes a request to create a container: this machine's network and architecture, the emulator on the
// port that the caller wanted published, and further variables.
func ontoThisMachine(r *http.Request, variables map[string]string) error {
	var container map[string]any
	if err := json.NewDecoder(r.Body).Decode(&container); err != nil {
		return err
	}
	host := mapping(container["HostConfig"])
	if host == nil {
		return errors.New("the container has no HostConfig")
	}
	for _, bindings := range mapping(host["PortBindings"]) {
		list, _ := bindings.([]any)
		for _, binding := range list {
			port, _ := mapping(binding)["HostPort"].(string)
			entrypoint, _ := container["Entrypoint"].([]any)
			api, err := freeAddress()
			if err != nil {
				return err
			}
			container["Entrypoint"] = append(entrypoint, "--runtime-interface-emulator-address", "127.0.0.1:"+port, "--runtime-api-address", api)
		}
	}
	environment, _ := container["Env"].([]any)
	environment = slices.DeleteFunc(environment, func(v any) bool {
		name, _, _ := strings.Cut(fmt.Sprint(v), "=")
		_, ours := variables[name]
		return ours
	})
	for name, value := range variables {
		environment = append(environment, name+"="+value)
	}
	container["Env"] = environment
	query := r.URL.Query()
	query.Del("platform")
	r.URL.RawQuery = query.Encode()
	host["NetworkMode"] = "host"
	delete(host, "PortBindings")
	delete(container, "ExposedPorts")
	body, err := json.Marshal(container)
	if err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Del("Content-Length")
	return nil
}

func unixClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
}
