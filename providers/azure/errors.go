package azure

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"sealdav/providers"
)

// failure is what the store, or the way to it, said: the cause in a
// providers.Error. Its text holds no URL and no header.
type failure struct {
	status    int // HTTP; 0: no answer
	code      string
	message   string
	header    string // the header an InvalidHeaderValue is about
	requestID string
	login     bool   // no token was to be had
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
	if auth, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		// Its text holds the whole answer of the login service.
		f.login, f.err = true, errors.New("the login service refused the credentials")
		if auth.RawResponse != nil {
			f.err = fmt.Errorf("%w (status %d)", f.err, auth.RawResponse.StatusCode)
		}
		return f
	}
	if resp, ok := errors.AsType[*azcore.ResponseError](err); ok {
		f.status, f.code = resp.StatusCode, resp.ErrorCode
		f.read(resp.RawResponse)
		return f
	}
	f.err = innermost(err)
	f.login = strings.HasPrefix(f.err.Error(), "DefaultAzureCredential")
	return f
}

// read takes the details out of the answer.
func (f *failure) read(resp *http.Response) {
	if resp == nil {
		return
	}
	f.requestID = resp.Header.Get("X-Ms-Request-Id")
	body, err := runtime.Payload(resp)
	if err != nil {
		return
	}
	var told struct{ Code, Message, HeaderName string }
	if xml.Unmarshal(body, &told) == nil {
		f.message, _, _ = strings.Cut(told.Message, "\n") // then come ids and times
		f.header = told.HeaderName
		if f.code == "" {
			f.code = told.Code
		}
	}
}

// innermost leaves out the URL of a failed request.
func innermost(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// aboutKey reports whether another key, or none, would be answered otherwise.
func (f *failure) aboutKey() bool {
	return f.code == codeNeedsKey || f.code == codeNoKey || f.code == codeOtherKey
}

// kinds are the codes with a meaning of their own; the rest goes by status.
var kinds = map[string]error{
	codeNeedsKey: providers.ErrKey,
	codeNoKey:    providers.ErrKey,
	codeOtherKey: providers.ErrKey,
	// The scope of the settings, or of the blob, is not there or disabled.
	"EncryptionScopeNotFound": providers.ErrKey,

	"BlobNotFound":           fs.ErrNotExist,
	"ResourceNotFound":       fs.ErrNotExist,
	"PathNotFound":           fs.ErrNotExist,
	"ContainerNotFound":      providers.ErrUnavailable,
	"ContainerBeingDeleted":  providers.ErrUnavailable,
	"ContainerDisabled":      providers.ErrUnavailable,
	"CannotVerifyCopySource": providers.ErrUnavailable,
	"InvalidBlockList":       providers.ErrUnavailable,
	"InvalidBlobOrBlock":     providers.ErrUnavailable,
	"InvalidBlockId":         providers.ErrUnavailable,
	"OperationTimedOut":      providers.ErrUnavailable,

	"ConditionNotMet":       providers.ErrPrecondition,
	"TargetConditionNotMet": providers.ErrPrecondition,
	"SourceConditionNotMet": providers.ErrPrecondition,
	"BlobAlreadyExists":     providers.ErrPrecondition,
	"InvalidRange":          providers.ErrRange,

	"AccountIsDisabled":                  fs.ErrPermission,
	"InvalidAuthenticationInfo":          providers.ErrCredentials,
	"KeyBasedAuthenticationNotPermitted": fs.ErrPermission,
	"PublicAccessNotPermitted":           fs.ErrPermission,
	"BlobImmutableDueToPolicy":           fs.ErrPermission,
	"BlobArchived":                       fs.ErrPermission,
	"BlobBeingRehydrated":                fs.ErrPermission,
	"SnapshotsPresent":                   fs.ErrPermission,
	"LeaseIdMissing":                     fs.ErrPermission,
	"LeaseIdMismatchWithBlobOperation":   fs.ErrPermission,
	"LeaseNotPresentWithBlobOperation":   fs.ErrPermission,
	"InvalidBlobType":                    fs.ErrPermission,
	"ResourceTypeMismatch":               fs.ErrPermission,
	"DirectoryIsNotEmpty":                fs.ErrPermission,
	"BlobOverwritten":                    providers.ErrUnavailable,
	"ServerBusy":                         providers.ErrThrottled,
	"RequestBodyTooLarge":                providers.ErrTooLarge,
	"BlockListTooLong":                   providers.ErrTooLarge,
	"BlockCountExceedsLimit":             providers.ErrTooLarge,
	"ContentLengthLargerThanTierLimit":   providers.ErrTooLarge,
	"MetadataTooLarge":                   providers.ErrTooLarge,
	"InvalidMetadata":                    fs.ErrInvalid,
	"EmptyMetadataKey":                   fs.ErrInvalid,
	"InvalidResourceName":                fs.ErrInvalid,
	"InvalidUri":                         fs.ErrInvalid,
	"OutOfRangeInput":                    fs.ErrInvalid,
	"RequestUrlFailedToParse":            fs.ErrInvalid,
	"NotImplemented":                     errors.ErrUnsupported,
	"UnsupportedHeader":                  errors.ErrUnsupported,
	"UnsupportedHttpVerb":                errors.ErrUnsupported,
	"UnsupportedQueryParameter":          errors.ErrUnsupported,
	"FeatureVersionMismatch":             errors.ErrUnsupported,
	"EncryptionScopeNotSupported":        errors.ErrUnsupported,
	"CustomerProvidedKeyNotSupported":    errors.ErrUnsupported,
	"AuthorizationPermissionMismatch":    fs.ErrPermission,
	"InsufficientAccountPermissions":     fs.ErrPermission,
	"UnauthorizedBlobOverwrite":          fs.ErrPermission,
	"AuthorizationFailure":               fs.ErrPermission,
	"AuthenticationFailed":               providers.ErrCredentials,
	"NoAuthenticationInformation":        providers.ErrCredentials,
}

// statuses are the kinds of answers without a known code.
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
	http.StatusInsufficientStorage:          providers.ErrQuota,
}

func (f *failure) kind() error {
	if f.notAuthenticated() {
		return providers.ErrCredentials
	}
	if k, ok := kinds[f.code]; ok {
		return k
	}
	if f.login {
		return providers.ErrCredentials
	}
	if k, ok := statuses[f.status]; ok {
		return k
	}
	return providers.ErrUnavailable
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
		e.Err = providers.ErrNoAnswer
	}
	e.Advice = b.advice(f)
	return e
}

// quoted is a failure that may be shown: of every text that a server chose it
// has what may be repeated.
func (b *Bucket) quoted(f *failure) *failure {
	shown := *f
	for _, text := range []*string{&shown.code, &shown.message, &shown.requestID, &shown.header} {
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
			return &providers.Error{Op: op, Key: key, Kind: providers.ErrUnavailable, Err: providers.ErrNoAnswer, Advice: adviceUnreachable}
		}
	}
	return b.fail(ctx, op, key, err)
}

const adviceUnreachable = "the store did not answer; check the remote's account, its endpoint and the network between"

// advices say what to do about a code.
var advices = map[string]string{
	codeNeedsKey:                         adviceNoKey,
	codeOtherKey:                         adviceNoKey,
	"AuthenticationFailed":               "the store does not accept the remote's credentials: check account_key or sas_token (it may have expired), and the clock of this server",
	"AuthorizationFailure":               "the account's firewall, or the network rules of the SAS, do not let this server in; allow its address",
	"AuthorizationSourceIPMismatch":      "the SAS is not good from this server's address",
	"AuthorizationPermissionMismatch":    "the credentials lack a permission: a SAS needs read, write, create, delete and list; an identity the role Storage Blob Data Contributor on the container",
	"InsufficientAccountPermissions":     "the credentials lack a permission: a SAS needs read, write, create, delete and list; an identity the role Storage Blob Data Contributor on the container",
	"KeyBasedAuthenticationNotPermitted": "the account does not allow its keys to be used; leave account_key out and use an identity",
	"AccountIsDisabled":                  "the storage account is disabled",
	"BlobImmutableDueToPolicy":           "an immutability policy or a legal hold keeps the blob as it is",
	"BlobArchived":                       "the blob lies in the archive tier; rehydrate it before reading",
	"BlobBeingRehydrated":                "the blob is being brought back from the archive tier; try again later",
	"SnapshotsPresent":                   "the blob has snapshots, which would be deleted with it; delete them first if that is meant",
	"LeaseIdMissing":                     "another program holds a lease on the blob; break it, or wait for its end",
	"InvalidBlockList":                   "another upload of the same name finished meanwhile and removed this one's blocks; send it again",
	"InvalidBlobOrBlock":                 "another program left blocks of this name behind that do not go with ours; delete them (put and delete an empty blob of this name), or wait a week",
	"OutOfRangeInput":                    "the name, with the remote's prefix, is longer than the store takes",
	"EncryptionScopeNotFound":            "the account has no such encryption scope, or it is disabled: check --sse-scope, or create it with: az storage account encryption-scope create",
	"ResourceTypeMismatch":               "there is a folder of that name",
	"InvalidBlobType":                    "an append blob or a page blob of that name is there, which an upload in blocks cannot replace (more than 16 MiB, or a copy in blocks): delete it first",
}

// notAuthenticated reports an AuthorizationFailure that is the code of another
// error: Azurite gives it to a wrong signature, Azure to whom its firewall keeps
// out.
func (f *failure) notAuthenticated() bool {
	return f.code == "AuthorizationFailure" && strings.HasPrefix(f.message, "Server failed to authenticate the request")
}

// advice says what to do about a failure, or "".
func (b *Bucket) advice(f *failure) string {
	if f.notAuthenticated() {
		return advices["AuthenticationFailed"]
	}
	if a, ok := advices[f.code]; ok {
		return a
	}
	switch {
	case f.code == "ContainerNotFound":
		return fmt.Sprintf("there is no container %q in this account; check the remote's url and account, or create it", b.name)
	case f.login:
		return "no login to Azure works here: set account_key, sas_token or connection_string, or give this server an identity (az login, a managed identity, AZURE_CLIENT_ID and kin)"
	case strings.EqualFold(f.header, "x-ms-version"):
		return "the store speaks an older version of the protocol than 2026-06-06"
	case f.status >= 300 && f.status < 400 && f.status != http.StatusNotModified:
		return "the store sent the request to another place, where keys and credentials are not carried: set the remote's endpoint to the account's own"
	case f.status == 0 && providers.CertificateAdvice(f.err) != "":
		return providers.CertificateAdvice(f.err)
	case f.status == 0:
		return adviceUnreachable
	}
	return ""
}
