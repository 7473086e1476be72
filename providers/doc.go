// Package providers says what a bucket is to the rest of sealdav: a flat
// namespace of immutable objects, each replaced as a whole.
//
// A provider (providers/s3, providers/gcs, providers/azure, providers/local)
// implements Bucket for one kind of store. Which key an object is written
// with, and which keys may read, is settled once, when the provider is opened;
// nothing in this package mentions keys, so nothing above it can leak or
// forget one. Folders are the business of package davfs: here a key ending in
// "/" is an object like any other.
//
// The suite in providertest is the definition of this contract in code: every
// provider passes it once per encryption mode.
package providers
