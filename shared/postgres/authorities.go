package postgres

import (
	"crypto/x509"
	_ "embed"
	"fmt"
	"strings"

	"newsletter/shared/config"
)

// rdsAuthorities is a PEM file of the authorities that sign the certificates of RDS and Aurora databases: AWS's
// https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem, unchanged, with three roots for each commercial
// region, which expire in 2061 or later. The Amazon RDS User Guide names it in "Using SSL/TLS to encrypt a connection".
// For a new region, replace the file by AWS's current one and run the tests of this package.
//
//go:embed rds-global-bundle.pem
var rdsAuthorities []byte

// rdsDomain is the suffix of the host names of RDS databases and proxies.
const rdsDomain = ".rds.amazonaws.com"

// authorities returns the roots for the certificate of host: the system's, which include those of RDS
// Proxy (ACM), RDS's own if host is in rdsDomain, and those of the files that two settings name. Nil means the
// system's roots alone. RDS's are added for its hosts only: they need not be trusted for any other, and parsing them
// takes 2 ms at start.
func authorities(host, caFile, rootCert string) (*x509.CertPool, error) {
	roots, err := config.AddRoots(nil, "TLS_CA_FILE", caFile)
	if err == nil && rootCert != "system" { // libpq's name for the system's roots
		roots, err = config.AddRoots(roots, "sslrootcert", rootCert)
	}
	if err != nil || !strings.HasSuffix(strings.ToLower(host), rdsDomain) {
		return roots, err
	}
	if roots == nil {
		if roots, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("read the system's roots: %w", err)
		}
	}
	roots.AppendCertsFromPEM(rdsAuthorities)
	return roots, nil
}
