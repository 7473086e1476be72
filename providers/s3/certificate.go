package s3

import (
	"crypto/x509"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"

	"sealdav/providers"
)

// certificateAdvice is providers.CertificateAdvice, and what else helps where
// the bucket's name may be a part of the host's.
func certificateAdvice(err error) string {
	advice := providers.CertificateAdvice(err)
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		advice += ", or path_style = true if it has none for the bucket's"
	}
	return advice
}

// noCertificateRetries keeps the SDK from repeating what cannot succeed.
func noCertificateRetries(err error) aws.Ternary {
	if certificateAdvice(err) != "" {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}
