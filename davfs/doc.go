// Package davfs shows buckets as a WebDAV drive. Handler is the server;
// FileSystem is the same remotes for a webdav.Handler of golang.org/x/net.
//
// # Files and folders
//
// A bucket is a flat set of keys. The key "a/b" is the file b in the folder a.
// A folder exists if its marker does, an empty object whose key is the folder's
// with a slash at its end ("a/"), or if anything lies in it. MKCOL makes a
// marker. The remote itself always exists.
//
// A folder does not go when its last member does: when a file or folder that is
// deleted or moved away is all there is in a folder without a marker, the
// marker is put first.
//
// A bucket may hold the file "a" beside the folder "a/". Both are listed, "/a"
// is the file and "/a/" the folder. Nothing here makes such a pair: PUT to a
// folder and MKCOL of a file are refused (405).
//
// Keys that no URL can name are not shown, and logged as a warning once for a
// folder: those with an empty segment ("a//b", "/a"), a segment "." or "..", a
// NUL or bytes that are not UTF-8. Operations on a folder include them: a
// folder is deleted, copied and moved with all its keys. The keys below
// ".sealdav/" are this server's own; they are not found and not written.
//
// Case matters. A name that is not there finds the file or folder whose name is
// the same text in another spelling (its accents composed, NFC, or not, NFD): an
// exact match wins, then the sibling with the same NFC form. Two files that
// differ in that alone stay two, each reached by its own name. What is made new
// is called as the client spelled it.
//
// Slashes in a row count as one in a URL, so "/r/a//b" is the file "a/b" and
// never the key "a//b".
//
// # Writing
//
// A file is replaced as a whole and at once: readers see the old object until
// the store has confirmed the new one, and whatever ends an upload early (a
// broken connection, a short body, a failing store, the end of the server)
// leaves the old object as it was. What lies in a folder that does not exist is
// refused (409).
//
// # Copying, moving and deleting
//
// COPY and MOVE inside a remote are done by the store, 32 members at a time;
// between remotes the objects are streamed, 4 at a time. Content type and
// metadata go along. A remote as a whole is not replaced, moved or deleted.
//
// Nothing at a destination is deleted before its replacement stands. A folder
// over a folder is copied over it, and the members that the source does not
// have are deleted at the end. A file over a folder, or a folder over a file,
// is put first and what it replaces deleted then. A local directory cannot hold
// both; there what is replaced waits under the name "NAME.replaced-XXXXXXXX"
// and is put back if the operation fails.
//
// What is deleted at the end of a MOVE of a file is the version that was copied,
// and a DELETE under a condition deletes the version that met it: another one that
// others have stored meanwhile stays, if the store decides conditions on a
// deletion. Members of folders are deleted as whatever they are by then, unless
// they were written through this server.
//
// Nothing at the source of a MOVE is deleted before the copies of all members
// stand, except by a store that can rename: there each member is moved in one
// step. Neither way is a folder moved in one step. If it fails half way the
// answer is a 207 with the members that failed, and everything is in one of the
// two places, or in both. The same request again goes on where the first one
// stopped. Which members were moved is remembered for an hour, while their names
// are no more than 8 MiB for a remote; after that the same request deletes nothing
// at the destination. Only the last 16 such failures are known, until the server
// ends: beyond that, what was moved already counts as an older folder.
//
// A client that leaves ends an operation on a folder between two objects, or
// two batches of deletions; a request to the store that was begun goes to its
// end. An operation that takes its time tells the log every ten seconds how far
// it is.
//
// If members of a folder cannot be deleted, the answer is a 207 that names
// them, and the folders they lie in stay. It names the folder itself if the store
// does not list it to its end, once anything was copied or deleted; a MOVE then
// deletes nothing at the source.
//
// # Properties
//
// Dead properties and the times that clients set are kept in the object's user
// metadata, a folder's in that of its marker: mtime and btime as rclone writes
// them, everything else in sealdav-props, whose format docs/properties.md
// gives. They go along with copies. PROPPATCH costs a look at the object and one
// copy of it onto itself, and does all it is told or nothing; what metadata
// cannot hold is 507.
//
// The listings of S3 do not tell metadata, and asking for that of each member
// would be a request for each. So what was told of single objects is remembered,
// for as long as their ETag and time stay the same and there is room (65,536
// objects of all remotes), and shown in listings; of other members the store's
// time is shown, and no dead properties. HEAD, GET and a PROPFIND of depth 0
// that names such a property always know. A new content keeps the dead
// properties and the time of birth that are remembered, at no cost.
//
// # Access
//
// A remote that a user may not see (Access.Remotes) does not exist for him:
// 404. In a remote that is read-only, or for a user who is, every write is 403.
//
// # Caching
//
// With Options.ListCache a folder's listing answers for that time, once a client
// has listed it, whether a name in it exists, and PROPFIND. Writes through this
// server show at once. What others write to the bucket shows when the time is over; a file that is
// read always comes from the store, and a write that the store refuses drops
// the listing that was wrong about it.
package davfs
