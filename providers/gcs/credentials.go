package gcs

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"golang.org/x/oauth2/google"
)

// errCredentials is the cause of a request that could not be signed.
var errCredentials = errors.New("no credentials")

// errMachine is the cause of one for which the machine's metadata server should
// have given a token: there were no other credentials.
var errMachine = fmt.Errorf("no token from the machine's metadata server: %w", errCredentials)

// fileError is a file of credentials that cannot be used. It repeats nothing of
// what is in the file.
type fileError struct{ file, problem string }

func (e *fileError) Error() string { return e.file + " " + e.problem }

// CheckCredentials says what can be seen to be wrong with a file of credentials
// as gcloud or the console make it, without repeating what is in it.
func CheckCredentials(file string) error {
	_, _, err := readCredentials(file)
	return err
}

// readCredentials reads a credentials file and its type. The file is the
// operator's own, so every type that there is will do.
func readCredentials(file string) ([]byte, google.CredentialsType, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, "", err
	}
	kind, problem := checkCredentials(text)
	if problem != "" {
		return nil, "", &fileError{file, problem}
	}
	return text, kind, nil
}

const makeAnother = "make another with: gcloud iam service-accounts keys create FILE --iam-account=ACCOUNT"

// checkCredentials is the type of credentials, and what is wrong with them.
func checkCredentials(text []byte) (kind google.CredentialsType, problem string) {
	var c struct {
		Type         google.CredentialsType `json:"type"`
		ClientEmail  string                 `json:"client_email"`
		PrivateKey   string                 `json:"private_key"`
		RefreshToken string                 `json:"refresh_token"`
	}
	if json.Unmarshal(text, &c) != nil { // its error may show what is in the file
		return "", "is not JSON, as gcloud and the console write credentials"
	}
	switch c.Type {
	case google.ServiceAccount:
		switch {
		case c.ClientEmail == "" || c.PrivateKey == "":
			return c.Type, "is that of a service account, and lacks its client_email or private_key; " + makeAnother
		case !isRSA([]byte(c.PrivateKey)):
			return c.Type, "is that of a service account, and its private_key is broken; " + makeAnother
		}
	case google.AuthorizedUser:
		if c.RefreshToken == "" {
			return c.Type, "is that of a user, and lacks its refresh_token; run: gcloud auth application-default login"
		}
	case google.ExternalAccount, google.ExternalAccountAuthorizedUser, google.ImpersonatedServiceAccount:
	default:
		return c.Type, "does not hold credentials of a known type (service_account, authorized_user, external_account, external_account_authorized_user, impersonated_service_account)"
	}
	return c.Type, ""
}

// isRSA reports whether a text is a private key that tokens can be signed with:
// RSA, in PKCS #8 or #1, as package oauth2 reads it.
func isRSA(text []byte) bool {
	if block, _ := pem.Decode(text); block != nil {
		text = block.Bytes
	}
	if key, err := x509.ParsePKCS8PrivateKey(text); err == nil {
		_, ok := key.(*rsa.PrivateKey)
		return ok
	}
	_, err := x509.ParsePKCS1PrivateKey(text)
	return err == nil
}

// findDefault finds application default credentials. What is wrong with a file
// of them is told with the file's name.
func findDefault(ctx context.Context) (*google.Credentials, error) {
	if file := os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"); file != "" {
		text, kind, err := readCredentials(file)
		if err != nil {
			if _, ok := errors.AsType[*fileError](err); !ok {
				err = &fileError{file, "(GOOGLE_APPLICATION_CREDENTIALS) cannot be read"}
			}
			return nil, err
		}
		return google.CredentialsFromJSONWithType(ctx, text, kind, scope)
	}
	creds, err := google.FindDefaultCredentials(ctx, scope)
	if err == nil && creds.JSON != nil {
		if _, problem := checkCredentials(creds.JSON); problem != "" {
			return nil, &fileError{"gcloud's application_default_credentials.json", problem}
		}
	}
	return creds, err
}
