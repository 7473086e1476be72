package gcs

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/oauth2"

	"sealdav/providers"
)

// failure is what the store, or the way to it, said: the cause in a
// providers.Error. Its text holds no URL and no header.
type failure struct {
	status     int    // HTTP; 0: no answer
	reason     string // "reason" in JSON, or Code in XML with a small first letter
	message    string
	retryAfter time.Duration // what the store asks for, 0: nothing
	signing    bool          // it failed before it was sent, for want of a token
	err        error         // where there was no answer
	text       string        // of err, as it may be shown; "": as it is
}

func (f *failure) Error() string {
	switch {
	case f.status == 0 && f.text != "":
		return f.text
	case f.status == 0 && f.err != nil:
		return f.err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "status %d", f.status)
	for _, s := range []string{f.reason, f.message} {
		if s != "" {
			b.WriteString(", " + s)
		}
	}
	return b.String()
}

// Unwrap keeps the cause of a missing answer matchable (net.Error, x509).
func (f *failure) Unwrap() error { return f.err }

// maxMessage bounds what of a server's own words is kept, in bytes.
const maxMessage = 300

// readFailure takes an answer apart that is an error: JSON, XML, or, where
// content was asked of the JSON API, text.
func readFailure(resp *http.Response) *failure {
	f := &failure{status: resp.StatusCode}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		f.retryAfter = time.Duration(seconds) * time.Second
	}
	body := io.Reader(resp.Body)
	if resp.Header.Get("Content-Encoding") == "gzip" { // reads ask for it
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			return f
		}
		body = unpacked
	}
	text, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err != nil && len(text) == 0 {
		return f
	}
	f.reason, f.message = parseFailure(text)
	return f
}

func parseFailure(text []byte) (reason, message string) {
	var fromJSON struct {
		Error struct {
			Message string
			Errors  []struct{ Reason, Message string }
		}
	}
	if json.Unmarshal(text, &fromJSON) == nil && (fromJSON.Error.Message != "" || len(fromJSON.Error.Errors) > 0) {
		e := fromJSON.Error
		if len(e.Errors) > 0 {
			reason = e.Errors[0].Reason
			if e.Message == "" {
				e.Message = e.Errors[0].Message
			}
		}
		return reason, e.Message
	}
	var fromXML struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
		Details       string
	}
	if xml.Unmarshal(text, &fromXML) == nil {
		message = strings.TrimSpace(fromXML.Message + " " + fromXML.Details)
		return smallFirst(fromXML.Code), message
	}
	if utf8.Valid(text) {
		message = strings.TrimSpace(string(text))
	}
	return "", message
}

// smallFirst gives a code of the XML API the form it has in the JSON API.
func smallFirst(code string) string {
	r, size := utf8.DecodeRuneInString(code)
	return string(unicode.ToLower(r)) + code[size:]
}

// examine finds the failure in an error; the zero failure for nil.
func examine(err error) *failure {
	if err == nil {
		return &failure{}
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return &failure{err: err}
}

// innermost leaves out the URL of a failed request, and what a token server
// said, which may hold more than an error's text should.
func innermost(err error) error {
	if r, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		if r.ErrorCode == "" && r.Response != nil {
			return fmt.Errorf("the token server answered %d: %w", r.Response.StatusCode, errCredentials)
		}
		return fmt.Errorf("the token server answered %q: %w", r.ErrorCode, errCredentials)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// mayPass reports whether the same request may succeed a little later.
func (f *failure) mayPass() bool {
	switch f.status {
	case 0:
		return !f.signing && f.err != nil && !errors.Is(f.err, context.Canceled) && providers.CertificateAdvice(f.err) == ""
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return f.status >= 500 && f.status != http.StatusNotImplemented
}

// answerLost reports whether the request behind a failure may have been
// carried out: it was sent, and no answer says that it was refused.
func (f *failure) answerLost() bool {
	if f.status != 0 {
		return f.status < 300 || f.status >= 500
	}
	if op, ok := errors.AsType[*net.OpError](f.err); ok && op.Op == "dial" {
		return false
	}
	return !f.signing && f.err != nil && providers.CertificateAdvice(f.err) == ""
}

// keyReasons are those of a request whose key, or want of one, does not fit
// the object.
var keyReasons = map[string]bool{
	"resourceIsEncryptedWithCustomerEncryptionKey":  true,
	"customerEncryptionKeyIsIncorrect":              true,
	"resourceNotEncryptedWithCustomerEncryptionKey": true,
	"customerEncryptionAlgorithmIsInvalid":          true,
	"customerEncryptionKeyFormatIsInvalid":          true,
	"customerEncryptionKeySha256IsInvalid":          true,
}

// mayBeKey reports whether another key could change the answer. Where content
// is asked of the JSON API a refusal may come without a reason.
func (f *failure) mayBeKey() bool {
	return f.status == http.StatusBadRequest && (f.reason == "" || keyReasons[f.reason])
}

// kinds are the kinds of the reasons that the store gives.
var kinds = map[string]error{
	"notFound":     fs.ErrNotExist,
	"noSuchKey":    fs.ErrNotExist,
	"noSuchBucket": providers.ErrUnavailable,

	"required":                     providers.ErrCredentials,
	"authError":                    providers.ErrCredentials,
	"authenticationRequired":       providers.ErrCredentials,
	"missingSecurityHeader":        providers.ErrCredentials,
	"expiredToken":                 providers.ErrCredentials,
	"invalidSecurity":              providers.ErrCredentials,
	"accessDenied":                 fs.ErrPermission,
	"forbidden":                    fs.ErrPermission,
	"insufficientPermissions":      fs.ErrPermission,
	"accountDisabled":              fs.ErrPermission,
	"userProjectMissing":           fs.ErrPermission,
	"userProjectAccountProblem":    fs.ErrPermission,
	"retentionPolicyNotMet":        fs.ErrPermission,
	"objectUnderActiveHold":        fs.ErrPermission,
	"orgPolicyConstraintFailed":    fs.ErrPermission,
	"conditionNotMet":              providers.ErrPrecondition,
	"preconditionFailed":           providers.ErrPrecondition,
	"notModified":                  providers.ErrNotModified,
	"invalidRange":                 providers.ErrRange,
	"requestedRangeNotSatisfiable": providers.ErrRange,

	"rateLimitExceeded":     providers.ErrThrottled,
	"userRateLimitExceeded": providers.ErrThrottled,
	"quotaExceeded":         providers.ErrThrottled,
	"slowDown":              providers.ErrThrottled,
	"serviceUnavailable":    providers.ErrThrottled,
	"tooManyRequests":       providers.ErrThrottled,

	"uploadTooLarge":    providers.ErrTooLarge,
	"entityTooLarge":    providers.ErrTooLarge,
	"metadataTooLarge":  providers.ErrTooLarge,
	"invalid":           fs.ErrInvalid,
	"invalidObjectName": fs.ErrInvalid,
	"keyTooLong":        fs.ErrInvalid,
	"notImplemented":    errors.ErrUnsupported,
	"methodNotAllowed":  errors.ErrUnsupported,
}

// statuses are the kinds of answers without a known reason.
var statuses = map[int]error{
	http.StatusNotModified:                  providers.ErrNotModified,
	http.StatusUnauthorized:                 providers.ErrCredentials,
	http.StatusForbidden:                    fs.ErrPermission,
	http.StatusNotFound:                     fs.ErrNotExist,
	http.StatusMethodNotAllowed:             errors.ErrUnsupported,
	http.StatusNotImplemented:               errors.ErrUnsupported,
	http.StatusPreconditionFailed:           providers.ErrPrecondition,
	http.StatusRequestEntityTooLarge:        providers.ErrTooLarge,
	http.StatusRequestedRangeNotSatisfiable: providers.ErrRange,
	http.StatusTooManyRequests:              providers.ErrThrottled,
	http.StatusServiceUnavailable:           providers.ErrThrottled,
}

func (f *failure) kind() error {
	if k, ok := kinds[f.reason]; ok {
		return k
	}
	if keyReasons[f.reason] || f.aboutKMS() {
		return providers.ErrKey
	}
	if errors.Is(f.err, errCredentials) {
		return providers.ErrCredentials
	}
	if k, ok := statuses[f.status]; ok {
		return k
	}
	return providers.ErrUnavailable
}

// aboutKMS reports whether the key in Cloud KMS is the trouble: cloudKmsBadKey,
// cloudKmsDisabledKey, cloudKmsEncryptionKeyNotFound and their kin.
func (f *failure) aboutKMS() bool { return strings.HasPrefix(f.reason, "cloudKms") }

// fail turns the error of a request into that of an operation; nil stays nil,
// and what is such an error already stays as it is.
func (b *Bucket) fail(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), providers.ErrNoAnswer) {
		return fmt.Errorf("%s %q: %w", op, key, ctx.Err())
	}
	if _, ok := errors.AsType[*providers.Error](err); ok {
		return err
	}
	f := b.quoted(examine(err))
	if f.status == 0 && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		f.err, f.text = providers.ErrNoAnswer, "" // the caller's context would have been matched above
	}
	return &providers.Error{Op: op, Key: key, Kind: f.kind(), Err: f, Advice: b.advice(f)}
}

// quoted is a failure that may be shown: of every text that a server chose it
// has what may be repeated.
func (b *Bucket) quoted(f *failure) *failure {
	shown := *f
	shown.reason, shown.message = b.quote(f.reason), b.quote(f.message)
	if f.err != nil { // it may repeat an answer that is none
		shown.text = b.quote(f.err.Error())
	}
	return &shown
}

// quote is what may be repeated of a server's own words: no key, even where it
// sends back what it got, and not more than a person reads.
func (b *Bucket) quote(text string) string {
	text = b.crypt.redact(text)
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "..."
	}
	return text
}

const adviceUnreachable = "the store did not answer; check the remote's endpoint and the network between"

// advice says what to do about a failure, or "".
func (b *Bucket) advice(f *failure) string {
	switch f.reason {
	case "noSuchBucket":
		return b.noBucketAdvice()
	case "retentionPolicyNotMet", "objectUnderActiveHold":
		return "the bucket's retention policy, or a hold on the object, forbids to change it"
	case "userProjectMissing", "userProjectAccountProblem":
		return "the bucket bills the requester: set GOOGLE_CLOUD_QUOTA_PROJECT to a project that pays"
	case "accountDisabled":
		return "the project of the bucket, or its billing account, is disabled"
	case "orgPolicyConstraintFailed":
		return "a policy of the organization forbids the write, most likely constraints/gcp.restrictNonCmekServices: set --sse-kms-key-id to a Cloud KMS key"
	}
	if e, ok := errors.AsType[*fileError](f.err); ok {
		return "the credentials cannot be used: " + e.Error() + ". Or set credentials_file to others"
	}
	switch {
	case f.aboutKMS():
		return "Cloud KMS refused the key: it must exist, be enabled, lie in the bucket's location, and the project's Cloud Storage service agent needs roles/cloudkms.cryptoKeyEncrypterDecrypter on it (gcloud storage service-agent --authorize-cmek=KEY)"
	case keyReasons[f.reason]:
		return "the store refused the key that this remote sent, or wants one that it does not have; check --sse-read-c-key"
	case errors.Is(f.err, errMachine):
		return "there are no credentials, and this machine's metadata server gives no token: set credentials_file, or GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth application-default login; on a machine of Google's, attach a service account (anonymous = true does without)"
	case errors.Is(f.err, errCredentials):
		return "there are no valid credentials: set credentials_file, or GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth application-default login (anonymous = true does without)"
	case f.status == http.StatusUnauthorized:
		return "the store does not accept the credentials; renew them, or set credentials_file"
	case f.status >= 300 && f.status < 400 && f.status != http.StatusNotModified:
		return "the store sent the request to another place, where keys and credentials are not carried: check the remote's endpoint"
	case f.signing:
		return "no token could be fetched with the remote's credentials; check the network to Google's token servers, or to the metadata server"
	case f.status == 0 && providers.CertificateAdvice(f.err) != "":
		return providers.CertificateAdvice(f.err)
	case f.status == 0:
		return adviceUnreachable
	}
	return ""
}

func (b *Bucket) noBucketAdvice() string {
	return fmt.Sprintf("there is no bucket %q; check the remote's url and endpoint", b.bucket)
}

// bucketError is fail for requests that only a missing bucket answers with 404,
// not a missing object.
func (b *Bucket) bucketError(ctx context.Context, op, key string, err error) error {
	wrapped := b.fail(ctx, op, key, err)
	if e, ok := errors.AsType[*providers.Error](wrapped); ok && e.Kind == fs.ErrNotExist {
		e.Kind, e.Advice = providers.ErrUnavailable, b.noBucketAdvice()
	}
	return wrapped
}
