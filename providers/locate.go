package providers

// Located is implemented by a Bucket that can say where its objects lie.
type Located interface {
	// Location is what all keys of the bucket begin with in the world, such as
	// "s3://endpoint/bucket/prefix/": two buckets that show the same object
	// give the same Location+key for it. It holds no secret.
	Location() string
}

// Location is where the objects of b lie, or "" where b does not say.
func Location(b Bucket) string {
	if l, ok := b.(Located); ok {
		return l.Location()
	}
	return ""
}
