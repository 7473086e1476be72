// Package testserver starts real servers for tests: MinIO, versitygw and
// Ceph RGW, each a process of its own on a free loopback port, behind TLS of a
// throwaway authority, with data that goes away with the test. `make tools`
// puts the servers into .cache; a missing one fails the test and says so.
//
// They differ where it matters. MinIO enforces every kind of server-side
// encryption. RGW enforces customer keys on reads and writes but stores plain
// text where COPY is asked for them. versitygw ignores every encryption header
// and answers 200: it is the proof that sealdav fails closed.
//
// For Azure Blob Storage there is Azurite, which ignores keys as well; the proxy
// that NewAzure puts before it enforces them.
// GCS is fake-gcs-server behind a proxy that knows of encryption what Google's
// documentation tells; see its comment for what that proves.
//
// A test that needs a server for itself calls MinIO(t), and so on. Tests that
// only need buckets of their own share one server per test binary:
//
//	func TestMain(m *testing.M) { testserver.Main(m) }
//
//	func TestPut(t *testing.T) {
//		store := testserver.SharedMinIO(t)
//		bucket := store.NewBucket(t)
//
// Only tests import this package.
package testserver
