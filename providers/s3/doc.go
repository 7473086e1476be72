// Package s3 is the provider for Amazon S3 and the stores that speak its
// protocol.
//
// # Encryption
//
// SSE-S3, SSE-KMS and customer keys (SSE-C) are set once, at Open; one
// middleware (encrypt.go) puts them into every request and refuses to send an
// operation that was not reviewed. What is written is verified before it
// counts: a PUT and the parts of an upload from the store's answers, a copy
// from its answer or, where the store says nothing there, with one HEAD.
//
// A sealed bucket is probed before its first write (PutObject, GetObject,
// CopyObject, GetObject, DeleteObjects), before its first upload in parts
// (CreateMultipartUpload, UploadPart, CompleteMultipartUpload, GetObject,
// DeleteObject) and before its first copy in parts (PutObject,
// CreateMultipartUpload, UploadPartCopy, CompleteMultipartUpload, GetObject,
// DeleteObjects): a store may repeat the headers of a key that it ignores in
// one of these. Where it holds the keys itself, HeadObject takes the place of
// GetObject, and must tell the mode.
//
// A write that the store did not confirm, or whose answer was lost, is looked
// at with a HEAD (settle.go): what is ours and lies there unsealed goes. Ours
// is what has the size that was written and, if the store gave no answer, came
// into being since, by its own clock. An object copied onto itself is the only
// copy, and never goes: it is read and put again.
//
// S3 does not tell which key an object lies under, so reading guesses: the key
// that opened this very object before, then the one that fitted last in the
// same folder, then the write key, then the others. A wrong guess costs a
// request, an object that no key opens one per key, once a minute.
//
// # Interrupted uploads
//
// A part is read into memory before it is sent: the first 64 KiB of it into
// the upload's own, the rest into a buffer of the process's few. A body that
// holds one and crawls is broken off (providers.Pace).
//
// An upload larger than a part is a multipart upload: invisible until it is
// completed, and aborted when anything goes wrong. Those of a process that was
// killed are aborted at the next start if there is a state directory. Without
// one, the bucket should have the lifecycle rule AbortIncompleteMultipartUpload;
// LifecycleCommand makes it.
//
// # Deviations
//
// Ceph answers 412 to an If-Match that does match; then the tag is compared by
// us, and the write repeated without the condition. MinIO and Ceph ignore
// conditions on the destination of a copy, and on a deletion; a HEAD comes
// before, and another writer may come between. An S3 bucket has no rename:
// providers.Rename copies and deletes.
package s3
