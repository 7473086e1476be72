// Package local is a bucket in a directory. A key "a/b" is the file b in the
// directory a; a key "a/" is the directory itself.
//
// With a write key objects are really sealed, so that a directory shows what a
// cloud's bucket would do: without the key a file on the disk is noise, a
// wrong key is told from damage, and a change to any byte is an error and
// never other content. encrypt.go describes the format. As in a cloud, names,
// sizes, times, content types and metadata are not sealed. Without a write key
// objects are ordinary files, and both kinds may lie side by side.
//
// Writes go to a temporary file in .sealdav/tmp, which is synced and then
// renamed, under a lock that other processes see too. Temporary files are
// locked while they are in use; Open removes those of processes that died.
//
// Content type and metadata are kept in the extended attribute user.sealdav.
// Where a file system has none, content types are not kept and metadata is
// refused.
//
// Symbolic links are followed to files as long as they stay below the
// directory; a listing does not follow them to directories.
package local
