package s3

import (
	"net/http"
	"strconv"

	"slipway.dev/internal/twin/wire"
)

// fail makes one of S3's errors. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func fail(status int, code, message string, fields ...string) error {
	e := &wire.Error{Code: code, Message: message, Status: status, Fields: map[string]any{}}
	for i := 0; i < len(fields); i += 2 {
		e.Fields[fields[i]] = fields[i+1]
	}
	return e
}

func noBucket(name string) error {
	return fail(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist", "BucketName", name)
}

func noKey(key string) error {
	return fail(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.", "Key", key)
}

func noVersion(key, version string) error {
	return fail(http.StatusNotFound, "NoSuchVersion", "The specified version does not exist.", "Key", key, "VersionId", version)
}

func noUpload(id string) error {
	return fail(http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.", "UploadId", id)
}

func preconditionFailed(condition string) error {
	return fail(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", "Condition", condition)
}

func invalidArgument(name, value, message string) error {
	return fail(http.StatusBadRequest, "InvalidArgument", message, "ArgumentName", name, "ArgumentValue", value)
}

func invalidRange(asked string, size int64) error {
	return fail(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable",
		"RangeRequested", asked, "ActualObjectSize", strconv.FormatInt(size, 10))
}

func notImplemented(message string) error {
	return fail(http.StatusNotImplemented, "NotImplemented", message)
}

var (
	errNotModified = fail(http.StatusNotModified, "NotModified", "Not Modified")
	errMalformed   = fail(http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	errNotEmpty    = fail(http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty")
	errStatus      = fail(http.StatusBadRequest, "IllegalVersioningConfigurationException", "The Versioning element must be specified")
	errNoACL       = fail(http.StatusBadRequest, "AccessControlListNotSupported", "The bucket does not allow ACLs")
)
