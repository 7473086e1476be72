package davfs

import "strings"

// folderType is the content type that WebDAV servers give a folder.
const folderType = "httpd/unix-directory"

// unknownType is that of a file nobody knows anything about.
const unknownType = "application/octet-stream"

// contentType is the content type of n: as stored, else as its name has it,
// because listings do not tell what is stored. What stores call an object that
// was put without a type counts as none, or a listing would say otherwise.
func contentType(n node) string {
	switch {
	case n.dir:
		return folderType
	case !generic(n.obj.ContentType):
		return n.obj.ContentType
	}
	return contentTypeOf(n.path)
}

// generic reports whether a content type says nothing.
func generic(t string) bool { return t == "" || t == unknownType || t == "binary/octet-stream" }

// contentTypeOf is the content type that a file's name suggests.
func contentTypeOf(path string) string {
	_, name := splitPath(path)
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return unknownType
	}
	if t, ok := typeByExtension[strings.ToLower(name[i+1:])]; ok {
		return t
	}
	return unknownType
}

// typeByExtension is a table of our own, because mime.TypeByExtension reads
// the host's: two servers of one bucket must not disagree.
var typeByExtension = map[string]string{
	"7z":      "application/x-7z-compressed",
	"aac":     "audio/aac",
	"ai":      "application/postscript",
	"apk":     "application/vnd.android.package-archive",
	"avi":     "video/x-msvideo",
	"avif":    "image/avif",
	"bmp":     "image/bmp",
	"bz2":     "application/x-bzip2",
	"c":       "text/plain; charset=utf-8",
	"cpp":     "text/plain; charset=utf-8",
	"css":     "text/css; charset=utf-8",
	"csv":     "text/csv; charset=utf-8",
	"dmg":     "application/x-apple-diskimage",
	"doc":     "application/msword",
	"docx":    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"eml":     "message/rfc822",
	"eot":     "application/vnd.ms-fontobject",
	"epub":    "application/epub+zip",
	"flac":    "audio/flac",
	"gif":     "image/gif",
	"go":      "text/plain; charset=utf-8",
	"gz":      "application/gzip",
	"h":       "text/plain; charset=utf-8",
	"heic":    "image/heic",
	"heif":    "image/heif",
	"htm":     "text/html; charset=utf-8",
	"html":    "text/html; charset=utf-8",
	"ico":     "image/vnd.microsoft.icon",
	"ics":     "text/calendar; charset=utf-8",
	"ini":     "text/plain; charset=utf-8",
	"iso":     "application/x-iso9660-image",
	"jar":     "application/java-archive",
	"java":    "text/plain; charset=utf-8",
	"jpeg":    "image/jpeg",
	"jpg":     "image/jpeg",
	"js":      "text/javascript; charset=utf-8",
	"json":    "application/json",
	"log":     "text/plain; charset=utf-8",
	"m4a":     "audio/mp4",
	"m4v":     "video/x-m4v",
	"md":      "text/markdown; charset=utf-8",
	"mid":     "audio/midi",
	"mjs":     "text/javascript; charset=utf-8",
	"mkv":     "video/x-matroska",
	"mov":     "video/quicktime",
	"mp3":     "audio/mpeg",
	"mp4":     "video/mp4",
	"mpeg":    "video/mpeg",
	"mpg":     "video/mpeg",
	"odp":     "application/vnd.oasis.opendocument.presentation",
	"ods":     "application/vnd.oasis.opendocument.spreadsheet",
	"odt":     "application/vnd.oasis.opendocument.text",
	"oga":     "audio/ogg",
	"ogg":     "audio/ogg",
	"ogv":     "video/ogg",
	"opus":    "audio/ogg",
	"otf":     "font/otf",
	"parquet": "application/vnd.apache.parquet",
	"pdf":     "application/pdf",
	"php":     "text/plain; charset=utf-8",
	"png":     "image/png",
	"ppt":     "application/vnd.ms-powerpoint",
	"pptx":    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	"ps":      "application/postscript",
	"psd":     "image/vnd.adobe.photoshop",
	"py":      "text/plain; charset=utf-8",
	"rar":     "application/vnd.rar",
	"rs":      "text/plain; charset=utf-8",
	"rtf":     "application/rtf",
	"sh":      "text/plain; charset=utf-8",
	"sql":     "text/plain; charset=utf-8",
	"svg":     "image/svg+xml",
	"tar":     "application/x-tar",
	"tgz":     "application/gzip",
	"tif":     "image/tiff",
	"tiff":    "image/tiff",
	"toml":    "application/toml",
	"ts":      "video/mp2t",
	"ttf":     "font/ttf",
	"txt":     "text/plain; charset=utf-8",
	"vcf":     "text/vcard; charset=utf-8",
	"wasm":    "application/wasm",
	"wav":     "audio/wav",
	"weba":    "audio/webm",
	"webm":    "video/webm",
	"webp":    "image/webp",
	"woff":    "font/woff",
	"woff2":   "font/woff2",
	"xhtml":   "application/xhtml+xml",
	"xls":     "application/vnd.ms-excel",
	"xlsx":    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"xml":     "application/xml",
	"xz":      "application/x-xz",
	"yaml":    "application/yaml",
	"yml":     "application/yaml",
	"zip":     "application/zip",
	"zst":     "application/zstd",
}
