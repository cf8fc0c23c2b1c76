package s3

import (
	"cmp"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"encoding/json"
	"errors"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/store"
)

// object is one version of an object, or a delete marker.
type object struct {
	Bucket   string `json:"-"`
	Key      string `json:"-"`
	Version  string `json:"-"` // "null" where it was written without versioning
	Latest   bool   `json:"-"`
	Marker   bool   `json:"-"`
	Parts    []part // one for an object put at once
	Pieces   int    // parts of a multipart upload, 0 for an object put at once
	Size     int64
	ETag     string // without quotes
	Checksum checksum
	Modified time.Time
	Headers  headers
	Metadata map[string]string
	Tags     []api.Tag
	ACL      *string
	Storage  string
	SSE      string
	KMSKey   *string
}

// headers are those of the content that are given back as they came.
type headers struct {
	ContentType, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, Expires, WebsiteRedirect *string
}

// part is a piece of an object, or of one that is being uploaded.
type part struct {
	stored
	Number   int
	ETag     string
	Checksum checksum
	Given    checksum // by the request, where S3 keeps another
	Modified time.Time
}

// objectTables: the newest version of a key is marked, so that a listing of what there is now is one walk of an index. s3_files names
// every file that belongs to a row.
var objectTables = store.SQL("s3_objects", `
CREATE TABLE s3_objects (bucket TEXT NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL, version TEXT NOT NULL,
  latest INTEGER NOT NULL, marker INTEGER NOT NULL, doc BLOB NOT NULL, PRIMARY KEY (bucket, key, seq)) WITHOUT ROWID;
CREATE INDEX s3_objects_now ON s3_objects (bucket, key) WHERE latest = 1 AND marker = 0;
CREATE TABLE s3_files (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE s3_uploads (bucket TEXT NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL, doc BLOB NOT NULL, PRIMARY KEY (bucket, key, id)) WITHOUT ROWID;
CREATE TABLE s3_parts (upload TEXT NOT NULL, number INTEGER NOT NULL, doc BLOB NOT NULL, PRIMARY KEY (upload, number)) WITHOUT ROWID;`)

const unversioned = "null"

const objectColumns = "bucket, key, version, latest, marker, doc"

func scanObject(scan func(...any) error) (o object, err error) {
	var doc []byte
	if err := scan(&o.Bucket, &o.Key, &o.Version, &o.Latest, &o.Marker, &doc); err != nil {
		return o, err
	}
	return o, json.Unmarshal(doc, &o)
}

func oneObject(tx *store.Tx, where string, args ...any) (object, error) {
	o, err := scanObject(tx.QueryRow("SELECT "+objectColumns+" FROM s3_objects WHERE "+where, args...).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return o, store.ErrNotFound
	}
	return o, err
}

func manyObjects(tx *store.Tx, where string, args ...any) (all []object, err error) {
	err = eachObject(tx, func(o object) bool {
		all = append(all, o)
		return true
	}, where, args...)
	return all, err
}

// eachObject calls f with objects until it returns false; rows after that are not read.
func eachObject(tx *store.Tx, f func(object) bool, where string, args ...any) error {
	rows, err := tx.Query("SELECT "+objectColumns+" FROM s3_objects WHERE "+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		o, err := scanObject(rows.Scan)
		if err != nil {
			return err
		}
		if !f(o) {
			return nil
		}
	}
	return rows.Err()
}

// latest returns what a key holds now, which may be a delete marker.
func latest(tx *store.Tx, bucket, key string) (object, error) {
	return oneObject(tx, "bucket = ? AND key = ? AND latest = 1", bucket, key)
}

// current returns the object that a key, or a version of it, holds.
func current(tx *store.Tx, bucket, key, version string) (object, error) {
	if version == "" {
		o, err := latest(tx, bucket, key)
		if errors.Is(err, store.ErrNotFound) || err == nil && o.Marker {
			return o, noKey(key)
		}
		return o, err
	}
	o, err := oneObject(tx, "bucket = ? AND key = ? AND version = ?", bucket, key, version)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return o, noVersion(key, version)
	case err == nil && o.Marker:
		return o, fail(405, "MethodNotAllowed", "The specified method is not allowed against this resource.", "Method", "GET", "ResourceType", "DeleteMarker")
	}
	return o, err
}

func newVersion() string {
	b := make([]byte, 20)
	rand.Read(b)
	return base32.StdEncoding.EncodeToString(b)
}

// add makes o the newest version of its key. Without versioning it takes the place of the one that has no version.
func (s *Service) add(tx *store.Tx, b bucket, o *object) error {
	o.Version, o.Latest = unversioned, true
	if b.Versioning == enabled {
		o.Version = newVersion()
	} else if err := s.discard(tx, b.Name, o.Key, unversioned); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := tx.Exec("UPDATE s3_objects SET latest = 0 WHERE bucket = ? AND key = ? AND latest = 1", b.Name, o.Key); err != nil {
		return err
	}
	doc, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := claimFiles(tx, o.Parts); err != nil {
		return err
	}
	return tx.Exec(`INSERT INTO s3_objects (bucket, key, seq, version, latest, marker, doc)
VALUES (?, ?, (SELECT COALESCE(MAX(seq), 0) + 1 FROM s3_objects WHERE bucket = ? AND key = ?), ?, 1, ?, ?)`,
		b.Name, o.Key, b.Name, o.Key, o.Version, o.Marker, doc)
}

// rewrite keeps what changed of a version: its tags, its ACL.
func rewrite(tx *store.Tx, o object) error {
	doc, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return tx.Exec("UPDATE s3_objects SET doc = ? WHERE bucket = ? AND key = ? AND version = ?", doc, o.Bucket, o.Key, o.Version)
}

// discard removes a version with its files; the next older one becomes the newest.
func (s *Service) discard(tx *store.Tx, bucket, key, version string) error {
	o, err := oneObject(tx, "bucket = ? AND key = ? AND version = ?", bucket, key, version)
	if err != nil {
		return err
	}
	if err := tx.Exec("DELETE FROM s3_objects WHERE bucket = ? AND key = ? AND version = ?", bucket, key, version); err != nil {
		return err
	}
	if o.Latest {
		err := tx.Exec(`UPDATE s3_objects SET latest = 1 WHERE bucket = ? AND key = ? AND seq =
(SELECT MAX(seq) FROM s3_objects WHERE bucket = ? AND key = ?)`, bucket, key, bucket, key)
		if err != nil {
			return err
		}
	}
	return s.release(tx, o.Parts)
}

func claimFiles(tx *store.Tx, parts []part) error {
	for _, p := range parts {
		if err := tx.Exec("INSERT OR IGNORE INTO s3_files (id) VALUES (?)", p.File); err != nil {
			return err
		}
	}
	return nil
}

// release removes the files of parts once the transaction has committed. Until then a kill leaves them to the next sweep.
func (s *Service) release(tx *store.Tx, parts []part) error {
	for _, p := range parts {
		if err := tx.Exec("DELETE FROM s3_files WHERE id = ?", p.File); err != nil {
			return err
		}
	}
	tx.AfterCommit(func() { s.dispose(parts) })
	return nil
}

func (s *Service) dispose(parts []part) {
	if err := s.files.remove(storedOf(parts)); err != nil {
		s.Log.Error("object files not removed", "error", err)
	}
}

func storedOf(parts []part) (all []stored) {
	for _, p := range parts {
		all = append(all, p.stored)
	}
	return all
}

// etag is the entity tag as headers carry it.
func (o object) etag() *string { return new(`"` + o.ETag + `"`) }

// id is the version as answers carry it: not at all in a bucket that never had versions.
func (b bucket) id(o object) *string {
	if b.Versioning == "" {
		return nil
	}
	return &o.Version
}

func sameTag(etag, given string) bool {
	return given == "*" || strings.Trim(given, `"`) == etag
}

func (o object) class() *string { return new(cmp.Or(o.Storage, "STANDARD")) }
