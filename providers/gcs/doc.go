// Package gcs is the provider for Google Cloud Storage.
//
// # Requests
//
// It speaks the store's HTTP interfaces itself. Google's own client brings
// gRPC, Envoy's and OpenTelemetry's libraries: 25 MB of program where this
// package needs half a megabyte. And it would not do: its writers allocate
// buffers that no bound covers, it leaves the session of an upload that failed,
// its reads know no If-None-Match, and it follows redirects, keys in hand. What
// is used is little: objects are listed, described, written, rewritten and
// deleted through the JSON API, read and deleted by the thousand through the
// XML API, which alone tells a read everything about its object, and the reason
// why it was refused.
//
// # Entity tags
//
// An ETag is the object's generation in quotes. The store has tags of its own,
// but the two APIs give different ones, and that of the JSON API changes with
// the metadata. The generation is in every answer and every listing, names one
// content for ever, and is what the store's preconditions are about.
//
// # Encryption
//
// Customer keys (CSEK) and Cloud KMS keys (CMEK) are set once, at Open; one
// function (encryption.apply) puts them into every request and refuses to send
// an operation it does not know. The store names the SHA-256 of the key each
// object lies under, in listings too, so no key is ever tried out: a read
// without a listing before goes by what the folder's last object lay under,
// and a wrong guess costs one look at the metadata, which tells the right key.
// Every write is verified: the answer must name the key that was asked for.
//
// # Interrupted uploads
//
// An upload larger than a part is a resumable session, whose object appears
// with its last part; a session that fails is cancelled. One that a killed
// process left holds nothing that anybody sees or pays for, and expires after
// a week.
package gcs
