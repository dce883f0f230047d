package config

import (
	"crypto/x509"
	"fmt"
	"os"
)

// Roots reads the file of PEM certificates that a variable names; without one, nil stands for the system's roots.
func Roots(variable, file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file) //nolint:gosec // the path is the owner's configuration
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no PEM certificate in it", variable)
	}
	return roots, nil
}
