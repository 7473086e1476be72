// Package sse reads how a remote is encrypted: which key or method new objects
// are written under, and which customer keys may read the old ones. It knows
// no store's protocol; the providers turn its Settings into requests.
//
// # Why these words
//
// Object Mount takes its encryption from the variables AWS_S3OPTIONS and
// GS_ENCRYPTION, whose options are awscli's with one difference that makes a
// drive possible: the key to write with and the keys to read with are apart.
// The same words work here, for every store, in those variables and in the
// configuration. Where Object Mount's page leaves something open (how values
// are split, what an omitted algorithm means, which key reads what was just
// written), the rules below decide it, and where a mistake could write objects
// that nobody reads, or that anybody does, they refuse instead of guessing.
//
// # Grammar
//
//	setting    := nothing | "env:" NAME | options
//	options    := option, separated by spaces
//	option     := ALGORITHM [ follows "AES256" ]
//	            | "--sse" [ follows METHOD ]
//	            | VALUED follows value
//	ALGORITHM  := "--sse-c" | "--sse-read-c" | "--sse-write-c"
//	METHOD     := "AES256" | "aws:kms" | "aws:kms:dsse"
//	VALUED     := "--sse-c-key" | "--sse-read-c-key" | "--sse-write-c-key"
//	            | "--sse-kms-key-id" | "--sse-scope"
//	follows    := spaces | "="
//	value      := "'" anything but ' "'" | '"' anything but " '"' | bare
//	bare       := anything but a space, not beginning with a quote
//	spaces     := one or more of space, tab, CR, LF
//
//	key        := "raw:" BYTES | "base64:" BASE64 | "hex:" HEX
//	            | "fileb://" PATH | "file://" PATH | "env:" NAME | BYTES
//
// A quote means something only where a value begins; there are no escapes, and
// after the closing quote the word ends. Inside a bare value quotes, \, # and
// = are ordinary. What follows the name of a VALUED option is its value unless
// it is the name of an option, because a key may begin with a hyphen; after
// the others a word that begins with one is the next option. A key that reads
// like an option is written with = or raw: or in quotes.
//
// Names are exact and in lower case. An option is given once, except
// --sse-read-c-key, of which there may be many, in the order in which they are
// to be tried. An option without the value it may have means AES256.
//
// "env:" NAME takes the options from an environment variable, which cannot
// lead to another. Where a remote has no setting, FromEnvironment finds the
// variable of its URL's scheme: AWS_S3OPTIONS (s3), GS_ENCRYPTION (gs),
// ALT_AWS_S3OPTIONS (alts3), ALT_GS_ENCRYPTION (altgs).
//
// In the table form the same names stand without dashes, values are taken
// whole, true is an option without a value, and sse-read-c-key may be a list.
//
// # Keys
//
// A customer key is 32 bytes.
//
//   - A value that begins with one of the prefixes is never the key itself,
//     even if it is 32 bytes; a key that begins so is written raw:.
//   - Without a prefix the value's own bytes are the key. Base64 or hex text
//     has another length and is refused with a hint. What a value means never
//     depends on what it looks like, or a raw key could be misread one day.
//   - base64: takes the standard alphabet, with or without padding; hex: takes
//     64 digits of either case.
//   - fileb:// is a file of the 32 bytes and nothing else. file:// is a text
//     file: its last newline is taken off, then it is read like a value, but
//     only raw:, base64: and hex: count; so is a variable after env:. One
//     source does not lead to another.
//   - A path is absolute, because where a server happens to be started is no
//     place to look for a key; ~ and variables in it are not expanded, for no
//     shell is there. Symbolic links are followed, as secrets are mounted with
//     them. The file must be a regular one. It is refused if its group or
//     others may write it, and warned about if every user may read it.
//
// # Rules
//
//	                              S3         GCS        Azure      local
//	R0 write key, read keys       yes        yes        yes        yes
//	   --sse-c, --sse-c-key       yes        yes        -          -
//	   --sse-kms-key-id           id, ARN,   full name  -          -
//	                              alias
//	   --sse-scope                -          -          yes        -
//	R1 --sse                      yes        -          -          -
//	R2 algorithm beside a key     required   implied    implied    implied
//
// What a store does not take is an error, never ignored.
//
//   - R3: an algorithm option without a key for it is an error.
//   - R4: --sse-c gives the algorithm of any key. --sse-c-key is one key to
//     write and to read with, and excludes --sse-write-c-key and
//     --sse-read-c-key.
//   - R5: a write key excludes --sse-kms-key-id, --sse and --sse-scope: an
//     object is written one way.
//   - R6: --sse-kms-key-id implies --sse aws:kms on S3, goes with aws:kms:dsse
//     and excludes AES256.
//   - R7: read keys go with every way to write, and with none.
//   - R8: an object is opened with whatever fits, of Settings.Candidates: the
//     read keys in order, the write key, no key. So the drive reads what it
//     wrote without saying the key twice, and a bucket may mix plain objects
//     with those of several keys.
//   - R9: a customer key goes over https only, on loopback too, unless the
//     remote says insecure_keys_over_http. See Settings.CheckEndpoint.
//   - R10: a single dash is read as two, with a warning, for Object Mount's
//     page prints one; a typographic dash is refused by name, because it comes
//     with a copied text whose quotes are likely changed too.
//
// # What is told
//
// All findings are reported at once, each as an *Error with the number of the
// word or the name of the option. Nothing that may be a key is repeated in
// them: a word is shown if it is short or made like a name, a path as far as
// it exists, and otherwise only the number of its bytes. A Key prints as
// redacted in every way there is to print it.
package sse
