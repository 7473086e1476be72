package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"sealdav/internal/config"
	"sealdav/providers"
	"sealdav/sse"
)

// explanation is what a kind of failure means, and the command that cures it
// or shows more.
type explanation struct {
	kind    error
	meaning string
	cure    func(config.Remote) string
}

var explanations = []explanation{
	{errReadable, "the store does not seal what it is told to seal: whoever can read the bucket reads everything",
		func(r config.Remote) string {
			return "do not use this store with customer keys; remove sse from " + table(r) + ", or move to one that supports them"
		}},
	{providers.ErrUnverified, "the store did not confirm the encryption, so nothing is written there",
		func(r config.Remote) string {
			return "use an encryption that the store supports in sse of " + table(r) + bucketCommand(r, "; what its default is: ",
				"aws s3api get-bucket-encryption --bucket %s", "gcloud storage buckets describe gs://%s")
		}},
	{providers.ErrKey, "the store refuses the key, or the object lies under another one",
		func(r config.Remote) string {
			if scope := r.Settings.Scope; r.URL.Store == sse.Azure && scope != "" {
				return fmt.Sprintf("make the scope, or enable it, or correct sse of %s; which there are: az storage account encryption-scope list --account-name ACCOUNT --resource-group GROUP; to make it: az storage account encryption-scope create --name %s --account-name ACCOUNT --resource-group GROUP", table(r), scope)
			}
			return "see that the keys in sse of " + table(r) + " are the right ones"
		}},
	{providers.ErrCredentials, "the store does not accept the credentials",
		func(r config.Remote) string {
			switch r.URL.Store {
			case sse.GCS:
				return "set credentials_file of " + table(r) + ", or GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth application-default login"
			case sse.Azure:
				return "set account_key, sas_token or connection_string of " + table(r) + ", or log in: az login; a SAS may have expired, and the clock of this server be wrong"
			}
			return "set access_key_id and secret_access_key (and session_token, if they are temporary) of " + table(r) + ", or profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, to those of the store; whether it takes them: aws sts get-caller-identity, or a listing with the store's own tool"
		}},
	{errors.ErrUnsupported, "the store has no encryption of the kind the remote asks for, or it is not set up there",
		func(r config.Remote) string {
			return "change sse of " + table(r) + " to an encryption that the store supports, or set up its KMS"
		}},
	{fs.ErrPermission, "the store knows the credentials, or the lack of them, and does not permit this",
		func(r config.Remote) string {
			switch r.URL.Store {
			case sse.Local:
				return fmt.Sprintf("give the user that sealdav runs as access to the directory; what it has: ls -ld %s", r.URL.Path)
			case sse.GCS:
				return fmt.Sprintf("give the account roles/storage.objectUser: gcloud storage buckets add-iam-policy-binding gs://%s --member=MEMBER --role=roles/storage.objectUser; MEMBER is serviceAccount: and the client_email in credentials_file, or user: and what gcloud auth list shows", r.URL.Bucket)
			}
			if r.URL.Store == sse.Azure {
				return "allow it to read, write, delete and list in the container; for an identity: az role assignment create --role 'Storage Blob Data Contributor' --assignee ID --scope CONTAINER"
			}
			return "permit s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload on its objects; whose credentials these are: aws sts get-caller-identity"
		}},
	{fs.ErrNotExist, "there is no such bucket or directory",
		func(r config.Remote) string {
			if r.URL.Store == sse.Local {
				return "mkdir -p " + r.URL.Path
			}
			return "check " + address(r) + " of " + table(r) + bucketCommand(r, ", or make it: ",
				"aws s3api create-bucket --bucket %s", "gcloud storage buckets create gs://%s")
		}},
	{providers.ErrQuota, "there is no space left", func(config.Remote) string { return "delete something, or raise the quota" }},
	{providers.ErrThrottled, "the store asks for fewer requests", func(config.Remote) string { return "try again later" }},
	{providers.ErrUnavailable, "the store cannot be reached, or failed",
		func(r config.Remote) string {
			if r.Endpoint != "" {
				return fmt.Sprintf("check %s of %s; whether it answers: curl -sv -o /dev/null %s", address(r), table(r), r.Endpoint)
			}
			return "check " + address(r) + " of " + table(r) + bucketCommand(r, "; whether it answers: ",
				"aws s3api head-bucket --bucket %s", "gcloud storage buckets describe gs://%s")
		}},
	{context.DeadlineExceeded, fmt.Sprintf("the remote took longer than %v", checkTimeout),
		func(config.Remote) string { return "check the network to the store" }},
}

// explain says what a failure means and what cures it. What the provider
// advises is nearer to the case than what holds for its kind.
func explain(err error, r config.Remote) (meaning, cure string) {
	for _, e := range explanations {
		if errors.Is(err, e.kind) {
			meaning, cure = e.meaning, e.cure(r)
			break
		}
	}
	if advice := providers.Advice(err); advice != "" {
		meaning = advice
	}
	return meaning, cure
}

func table(r config.Remote) string { return "[remotes." + r.Name + "]" }

// address names the keys that say where a remote is.
func address(r config.Remote) string {
	if r.URL.Store == sse.S3 {
		return "url, region and endpoint"
	}
	return "url and endpoint"
}

// bucketCommand is a part of a cure that is a command of the cloud's own
// program, with the bucket's name, and what introduces it.
func bucketCommand(r config.Remote, intro, onS3, onGCS string) string {
	switch r.URL.Store {
	case sse.S3:
		return intro + fmt.Sprintf(onS3, r.URL.Bucket)
	case sse.GCS:
		return intro + fmt.Sprintf(onGCS, r.URL.Bucket)
	}
	return ""
}
