package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"sealdav/providers"
)

// failure is what a store, or the way to it, said: the cause in a
// providers.Error. Its text holds no URL and no header.
type failure struct {
	status    int // HTTP; 0: no answer
	code      string
	message   string
	requestID string
	region    string // the region the store says the bucket is in
	unsent    bool   // there was no request: credentials, mostly
	err       error  // where there was no answer
	text      string // of err, as it may be shown; "": as it is
}

func (f *failure) Error() string {
	switch {
	case f.status == 0 && f.text != "":
		return f.text
	case f.status == 0:
		return f.err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "status %d", f.status)
	for _, s := range []string{f.code, f.message} {
		if s != "" {
			b.WriteString(", " + s)
		}
	}
	if f.requestID != "" {
		b.WriteString(", request " + f.requestID)
	}
	return b.String()
}

// Unwrap keeps the cause of a missing answer matchable (net.Error, x509).
func (f *failure) Unwrap() error { return f.err }

// maxMessage bounds what of a server's own words is kept, in bytes.
const maxMessage = 300

// examine takes an SDK error apart; the zero failure for nil.
func examine(err error) *failure {
	f := &failure{}
	if err == nil {
		return f
	}
	if known, ok := errors.AsType[*failure](err); ok {
		return known
	}
	if resp, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && resp.Response != nil {
		f.status = resp.HTTPStatusCode()
		f.region = resp.Response.Header.Get("X-Amz-Bucket-Region")
		f.requestID = resp.Response.Header.Get("X-Amz-Request-Id")
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		f.code, f.message = api.ErrorCode(), api.ErrorMessage()
	}
	if f.status == 0 {
		f.err = innermost(err)
		_, sent := errors.AsType[*smithyhttp.RequestSendError](err)
		f.unsent = !sent
	}
	return f
}

// innermost leaves out the SDK's layers and the URL of a failed request.
func innermost(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		return op.Err
	}
	return err
}

// mayBeKey reports whether another key, or none, might be answered otherwise.
// The codes of HEAD, which has no body, are the SDK's names of the status.
func (f *failure) mayBeKey() bool {
	if f.status != http.StatusBadRequest && f.status != http.StatusForbidden {
		return false
	}
	switch f.code {
	case "", "BadRequest", "AccessDenied", "Forbidden", "InvalidEncryptionAlgorithmError":
		return true
	case "InvalidRequest", "InvalidArgument":
		// Said of other things too. Ceph sends no message, which the SDK calls
		// UnknownError, or takes the key for a wrong one by its hash.
		m := strings.ToLower(f.message)
		return m == "" || m == "unknownerror" || strings.Contains(m, "encrypt") || strings.Contains(m, "secret key") || strings.Contains(m, "hash of the key")
	}
	return false
}

// kinds are the codes with a meaning of their own; the rest goes by status.
var kinds = map[string]error{
	"NoSuchKey": fs.ErrNotExist,

	"AccessDenied":               fs.ErrPermission,
	"AllAccessDisabled":          fs.ErrPermission,
	"AccountProblem":             fs.ErrPermission,
	"InvalidAccessKeyId":         providers.ErrCredentials,
	"SignatureDoesNotMatch":      providers.ErrCredentials,
	"InvalidToken":               providers.ErrCredentials,
	"ExpiredToken":               providers.ErrCredentials,
	"TokenRefreshRequired":       providers.ErrCredentials,
	"InvalidObjectState":         fs.ErrPermission,
	"ObjectLocked":               fs.ErrPermission,
	"RequestTimeTooSkewed":       providers.ErrUnavailable,
	"NoSuchBucket":               providers.ErrUnavailable,
	"NoSuchUpload":               providers.ErrUnavailable,
	"PermanentRedirect":          providers.ErrUnavailable,
	"TemporaryRedirect":          providers.ErrUnavailable,
	"OperationAborted":           providers.ErrUnavailable,
	"PreconditionFailed":         providers.ErrPrecondition,
	"ConditionalRequestConflict": providers.ErrPrecondition,
	"NotModified":                providers.ErrNotModified,
	"InvalidRange":               providers.ErrRange,

	"SlowDown":               providers.ErrThrottled,
	"ServiceUnavailable":     providers.ErrThrottled,
	"Throttling":             providers.ErrThrottled,
	"ThrottlingException":    providers.ErrThrottled,
	"RequestThrottled":       providers.ErrThrottled,
	"RequestLimitExceeded":   providers.ErrThrottled,
	"TooManyRequests":        providers.ErrThrottled,
	"BandwidthLimitExceeded": providers.ErrThrottled,

	"QuotaExceeded":                   providers.ErrQuota,
	"InsufficientStorage":             providers.ErrQuota,
	"XMinioStorageFull":               providers.ErrQuota,
	"XMinioAdminBucketQuotaExceeded":  providers.ErrQuota,
	"EntityTooLarge":                  providers.ErrTooLarge,
	"MetadataTooLarge":                providers.ErrTooLarge,
	"KeyTooLongError":                 fs.ErrInvalid,
	"InvalidURI":                      fs.ErrInvalid,
	"InvalidObjectName":               fs.ErrInvalid,
	"XMinioInvalidObjectName":         fs.ErrInvalid,
	"XMinioInvalidResourceName":       fs.ErrInvalid,
	"XMinioObjectExistsAsDirectory":   fs.ErrInvalid,
	"XMinioParentIsObject":            fs.ErrInvalid,
	"ObjectParentIsFile":              fs.ErrInvalid,
	"ExistingObjectIsDirectory":       fs.ErrInvalid,
	"NotImplemented":                  errors.ErrUnsupported,
	"MethodNotAllowed":                errors.ErrUnsupported,
	"InvalidEncryptionAlgorithmError": providers.ErrKey,
}

// statuses are the kinds of answers without a known code.
var statuses = map[int]error{
	http.StatusNotModified:                  providers.ErrNotModified,
	http.StatusUnauthorized:                 fs.ErrPermission,
	http.StatusForbidden:                    fs.ErrPermission,
	http.StatusNotFound:                     fs.ErrNotExist,
	http.StatusMethodNotAllowed:             errors.ErrUnsupported,
	http.StatusNotImplemented:               errors.ErrUnsupported,
	http.StatusPreconditionFailed:           providers.ErrPrecondition,
	http.StatusRequestEntityTooLarge:        providers.ErrTooLarge,
	http.StatusRequestedRangeNotSatisfiable: providers.ErrRange,
	http.StatusTooManyRequests:              providers.ErrThrottled,
	http.StatusServiceUnavailable:           providers.ErrThrottled,
	http.StatusInsufficientStorage:          providers.ErrQuota,
}

func (f *failure) kind() error {
	if k, ok := kinds[f.code]; ok {
		return k
	}
	if f.aboutKMS() {
		return providers.ErrKey
	}
	if f.code == "InvalidArgument" && strings.Contains(f.message, "encryption method is not supported") {
		return errors.ErrUnsupported // MinIO has no code for it
	}
	if k, ok := statuses[f.status]; ok {
		return k
	}
	return providers.ErrUnavailable
}

// aboutKMS reports whether the store's KMS refused its key. MinIO writes the
// codes in lower case, and answers 404 with some.
func (f *failure) aboutKMS() bool {
	code := strings.ToLower(f.code)
	return strings.HasPrefix(code, "kms.") || strings.HasPrefix(code, "kms:")
}

// fail turns what the SDK returned into the error of an operation; nil stays
// nil, and what is such an error already stays as it is.
func (b *Bucket) fail(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s %q: %w", op, key, ctx.Err())
	}
	if _, ok := errors.AsType[*providers.Error](err); ok {
		return err
	}
	f := b.quoted(examine(err))
	e := &providers.Error{Op: op, Key: key, Kind: f.kind(), Err: f}
	if f.status == 0 && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		// Not the caller's context: it would have been matched above.
		e.Err = errNoAnswer
	}
	e.Advice = b.advice(f)
	if f.status != http.StatusNotFound && f.status != 0 || f.code == "NoSuchKey" {
		b.noteExists(f)
	}
	return e
}

// quoted is a failure that may be shown: of every text that a server chose it
// has what may be repeated.
func (b *Bucket) quoted(f *failure) *failure {
	shown := *f
	for _, text := range []*string{&shown.code, &shown.message, &shown.requestID, &shown.region} {
		*text = b.quote(*text)
	}
	if f.err != nil { // it may repeat an answer that is none
		shown.text = b.quote(f.err.Error())
	}
	return &shown
}

// quote is what may be repeated of a server's own words: no key, even where it
// sends back what it got, and not more than a person reads.
func (b *Bucket) quote(message string) string {
	message = b.crypt.redact(message)
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "..."
	}
	return message
}

// patient gives an error that was made under withPatience its final form: the
// end of the caller's context shows as itself, the end of patience does not.
func (b *Bucket) patient(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*providers.Error](err); !ok {
		if ctx.Err() == nil {
			return &providers.Error{Op: op, Key: key, Kind: providers.ErrUnavailable, Err: errNoAnswer, Advice: adviceUnreachable}
		}
	}
	return b.fail(ctx, op, key, err)
}

func (b *Bucket) noteExists(f *failure) {
	switch f.code {
	case "NoSuchKey", "PreconditionFailed", "InvalidRange", "NotModified":
		b.exists.Store(true)
	}
}

// adviceUnsent is for a request that could not be made.
const adviceUnsent = "the request could not be made; most likely no credentials were found: set access_key_id and secret_access_key or a profile, or give this machine a role"

const adviceUnreachable = "the store did not answer; check the remote's endpoint and the network between"

// advice says what to do about a failure, or "".
func (b *Bucket) advice(f *failure) string {
	switch f.code {
	case "NoSuchBucket":
		return fmt.Sprintf("there is no bucket %q in this store; check the remote's url, region and endpoint", b.bucket)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return "the store does not accept the remote's access key and secret; check access_key_id and secret_access_key"
	case "InvalidToken", "ExpiredToken", "TokenRefreshRequired":
		return "the remote's session credentials have expired or are not valid; renew them"
	case "RequestTimeTooSkewed":
		return "the clock of this server is wrong by more than the store allows; set it (ntp)"
	case "InvalidObjectState":
		return "the object lies in an archive class; restore it before reading"
	case "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return b.regionAdvice(f)
	case "KeyTooLongError":
		return "the path is longer than the store takes; shorten it"
	case "XMinioObjectExistsAsDirectory", "XMinioParentIsObject", "ObjectParentIsFile", "ExistingObjectIsDirectory":
		return "the store cannot hold a file and a folder of the same name; rename one of them"
	}
	switch {
	case f.aboutKMS():
		return "the KMS refused the key of --sse-kms-key-id: it must exist, be enabled, and lie in the bucket's region"
	case f.code == "AccessDenied" && strings.Contains(strings.ToLower(f.message), "kms:"):
		return "the credentials may not use the KMS key: reading needs kms:Decrypt, writing kms:GenerateDataKey and kms:Decrypt"
	case f.kind() == fs.ErrInvalid:
		return "the store does not take this name: stores that keep objects as files take at most 255 bytes between two slashes, and not every character; rename or shorten it"
	case f.status >= 300 && f.status < 400 && f.status != http.StatusNotModified:
		return b.regionAdvice(f)
	case f.status == 0 && f.unsent && !errors.Is(f.err, context.Canceled) && !errors.Is(f.err, context.DeadlineExceeded):
		return adviceUnsent
	case f.status == 0 && certificateAdvice(f.err) != "":
		return certificateAdvice(f.err)
	case f.status == 0:
		return adviceUnreachable
	}
	return ""
}

func (b *Bucket) regionAdvice(f *failure) string {
	if f.region != "" && f.region != b.client.Options().Region {
		return fmt.Sprintf("the bucket %q lies in another region: set the remote's region to %q", b.bucket, f.region)
	}
	return "the store sent the request to another place, where keys and credentials are not carried: set the remote's region, and its endpoint if it has one, to the bucket's own"
}
