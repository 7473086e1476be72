package testserver

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// gcsError is a refusal as Google documents it.
type gcsError struct {
	status  int
	reason  string // of the JSON API; the XML API's has a capital first letter
	message string
}

func (e *gcsError) Error() string { return e.reason }

// Google's refusals that have to do with keys, all 400.
var (
	errNeedsKey = &gcsError{400, "resourceIsEncryptedWithCustomerEncryptionKey",
		"The target object is encrypted by a customer-supplied encryption key."}
	errWrongKey   = &gcsError{400, "customerEncryptionKeyIsIncorrect", "The provided encryption key is incorrect."}
	errNoneNeeded = &gcsError{400, "resourceNotEncryptedWithCustomerEncryptionKey",
		"The target object is not encrypted by a customer-supplied encryption key."}
	errKeyAlgorithm = &gcsError{400, "customerEncryptionAlgorithmIsInvalid", "Missing an encryption algorithm, or the provided algorithm is not \"AES256.\""}
	errKeyFormat    = &gcsError{400, "customerEncryptionKeyFormatIsInvalid", "Missing an encryption key, or it is not Base64 encoded, or it does not meet the required length of the encryption algorithm."}
	errKeyHash      = &gcsError{400, "customerEncryptionKeySha256IsInvalid", "Missing a SHA256 hash of the encryption key, or it is not Base64 encoded, or it does not match the encryption key."}
	errKMSKey       = &gcsError{400, "cloudKmsEncryptionKeyNotFound", "Cloud KMS encryption key not found."}
	errEnforced     = &gcsError{412, "customerSuppliedEncryptionForbidden", "The bucket's encryption enforcement configuration does not allow customer-supplied encryption for new objects."}
	errCondition    = &gcsError{412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold."}
	errUnchanged    = &gcsError{304, "notModified", ""}
	errNoObject     = &gcsError{404, "notFound", "No such object."}
	errNoBucket     = &gcsError{404, "notFound", "The specified bucket does not exist."}
	errNoToken      = &gcsError{401, "required", "Anonymous caller does not have storage.objects access."}
)

// apiStyle is how an error is written.
type apiStyle int

const (
	styleJSON apiStyle = iota
	styleXML
	styleText // content asked of the JSON API
)

func writeGCSError(w http.ResponseWriter, err error, style apiStyle) {
	e, ok := errors.AsType[*gcsError](err)
	if !ok {
		e = &gcsError{status: 500, reason: "backendError", message: "the test server failed: " + err.Error()}
	}
	if e.status == http.StatusNotModified {
		w.WriteHeader(e.status)
		return
	}
	switch style {
	case styleXML:
		code := strings.ToUpper(e.reason[:1]) + e.reason[1:]
		switch e {
		case errNoObject:
			code = "NoSuchKey"
		case errNoBucket:
			code = "NoSuchBucket"
		case errCondition:
			code = "PreconditionFailed"
		}
		w.Header().Set("Content-Type", "application/xml; charset=UTF-8")
		w.WriteHeader(e.status)
		fmt.Fprint(w, "<?xml version='1.0' encoding='UTF-8'?><Error><Code>"+code+"</Code><Message>")
		_ = xml.EscapeText(w, []byte(e.message))
		fmt.Fprint(w, "</Message></Error>")
	case styleText:
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(e.status)
		fmt.Fprint(w, e.message)
	default:
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		w.WriteHeader(e.status)
		detail := map[string]string{"message": e.message, "domain": "global", "reason": e.reason}
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
			"code": e.status, "message": e.message, "errors": []any{detail},
		}})
	}
}

// seal is what an object or a session lies under.
type seal struct {
	hash string // base64 SHA-256 of the customer key, "" for none
	kms  string // name of the Cloud KMS key, "" for none
}

func sealKey(bucket, object, generation string) string {
	return bucket + "\x00" + object + "\x00" + generation
}

// The prefixes of the headers that carry a key.
const (
	gcsKey       = "X-Goog-Encryption-"
	gcsSourceKey = "X-Goog-Copy-Source-Encryption-"
)

// keyIn checks the headers of a key, and returns its hash, "" for no key.
func keyIn(h http.Header, prefix string) (string, error) {
	algorithm, key, hash := h.Get(prefix+"Algorithm"), h.Get(prefix+"Key"), h.Get(prefix+"Key-Sha256")
	if algorithm == "" && key == "" && hash == "" {
		return "", nil
	}
	raw, err := base64.StdEncoding.DecodeString(key)
	sum := sha256.Sum256(raw)
	switch {
	case algorithm != "AES256":
		return "", errKeyAlgorithm
	case err != nil || len(raw) != 32:
		return "", errKeyFormat
	case hash != base64.StdEncoding.EncodeToString(sum[:]):
		return "", errKeyHash
	}
	return hash, nil
}

// opens reports whether a key opens what lies under a seal.
func (s seal) opens(hash string) error {
	switch {
	case s.hash == hash:
		return nil
	case s.hash == "":
		return errNoneNeeded
	case hash == "":
		return errNeedsKey
	}
	return errWrongKey
}
