package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// AddRoots adds the certificates of the PEM file that a setting names to roots. Nil roots, also in the result, mean
// the system's, as in crypto/tls. An empty file name adds nothing. A file never replaces the system's roots,
// so servers that they verify stay verified. The errors name the setting and contain no value.
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
			return nil, fmt.Errorf("read system roots: %w", err)
		}
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: must be a file of PEM certificates: no certificate found", setting)
	}
	return roots, nil
}
