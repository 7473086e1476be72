// Package config turns sealdav.toml, or the URLs of the command line, into
// checked values.
//
// Load reports everything that is wrong with a file at once, each finding as
// file:line:col: key: message. Keys are exact: an unknown one, or one in
// another case, is a finding. No finding repeats a value that may be secret:
// keys, credentials, and text that could not be read at all.
package config
