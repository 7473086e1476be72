// Package azure is the provider for Azure Blob Storage.
//
// # Encryption
//
// Azure encrypts everything at rest; that cannot be turned off and needs no
// settings. Beyond it a remote may write under a customer-provided key (CPK),
// which goes with every request that moves content, or under an encryption
// scope, whose key the account keeps. What is written is verified before it
// counts, from the answers to the write and, of larger files, to each block
// before they are committed.
//
// Azure tells the SHA-256 of a customer key in listings and, with the code of
// a refusal, what was wrong about a guess. So a read guesses once (the key
// that opened this blob before, then the one that fitted last in its folder,
// then the write key); where that is refused, one listing of just this name
// tells which key it is, if the code left more than one.
//
// # Interrupted uploads
//
// A file larger than a part is staged in blocks, which nobody sees until they
// are committed. Azure has no way to remove blocks that are never committed:
// it collects them after a week, and bills them until then. Whatever is
// written under the same name next removes them at once.
//
// # Folders
//
// In accounts with a hierarchical namespace, and where Hadoop wrote, a folder
// is a blob "dir" with the metadata hdi_isfolder=true. Here it appears as the
// marker "dir/". A marker that is put is a blob "dir/" with the same metadata,
// which a flat account keeps under that name and a hierarchical one turns into
// a folder. Accounts with a hierarchical namespace list in an order in which
// "/" comes first; a page is brought into the order of the bytes, but a folder
// may come a page late.
//
// # Deviations
//
// Azure knows no Range that counts from the end: such a read costs a HEAD
// first. A blob with snapshots is not deleted, since they would go with it.
package azure
