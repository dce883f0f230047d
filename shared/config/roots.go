package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// AddRoots returns roots with the certificates of the PEM file that a setting names. Nil roots, also in the result, stand
// for the system's, as they do in crypto/tls. An empty file adds nothing. A named file never replaces the system's roots,
// so a server that they verify stays verified. The errors name the setting and repeat no value.
func AddRoots(roots *x509.CertPool, setting, file string) (*x509.CertPool, error) {
	if file == "" {
		return roots, nil
	}
	pem, err := os.ReadFile(file) //nolint:gosec // the path is the owner's configuration
	if err != nil {
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			err = failed.Err // without the path
		}
		return nil, fmt.Errorf("%s: must be a file of PEM certificates: %w", setting, err)
	}
	if roots == nil {
		if roots, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("read the system's roots: %w", err)
		}
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: must be a file of PEM certificates: there is none in it", setting)
	}
	return roots, nil
}
