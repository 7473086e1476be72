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
// Names are compared byte by byte. Case matters, and so does whether an accent
// is composed.
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
// Nothing at the source of a MOVE is deleted before the copies of all members
// stand, except by a store that can rename: there each member is moved in one
// step. Neither way is a folder moved in one step. If it fails half way the
// answer is a 207 with the members that failed, and everything is in one of the
// two places, or in both. The same request again goes on where the first one
// stopped; that is remembered until the server ends.
//
// If members of a folder cannot be deleted, the answer is a 207 that names
// them, and the folders they lie in stay.
//
// # Access
//
// A remote that a user may not see (Access.Remotes) does not exist for him:
// 404. In a remote that is read-only, or for a user who is, every write is 403.
//
// # Caching
//
// With Options.ListCache a folder's listing answers for that time, once a client
// has listed it, whether a name in it exists, and PROPFIND. Writes through this server show at once.
// What others write to the bucket shows when the time is over; a file that is
// read always comes from the store, and a write that the store refuses drops
// the listing that was wrong about it.
package davfs
