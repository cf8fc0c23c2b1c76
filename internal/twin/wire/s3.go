package wire

import (
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// What S3 does unlike every other REST service: buckets in the host name, subresources in the query, and names of XML elements that
// its model does not tell.

// bucketHost is a virtual-hosted bucket: <bucket>.s3.localhost, <bucket>.s3.<region>.localhost, <bucket>.localhost, and AWS's own
// names. https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
var bucketHost = regexp.MustCompile(`^(.+?)(?:\.s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?)?\.(?:localhost|amazonaws\.com)$`)

// serviceHost is the service itself.
var serviceHost = regexp.MustCompile(`^s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.(?:localhost|amazonaws\.com)$`)

// pathStyle moves a bucket from the host to the path, where the routes expect it.
func pathStyle(r *http.Request) *http.Request {
	host := strings.ToLower(r.Host)
	if at := strings.LastIndexByte(host, ':'); at >= 0 {
		host = host[:at]
	}
	match := bucketHost.FindStringSubmatch(host)
	if match == nil || serviceHost.MatchString(host) {
		return r
	}
	moved := r.WithContext(r.Context())
	moved.URL = &url.URL{}
	*moved.URL = *r.URL
	moved.URL.Path = "/" + match[1] + r.URL.Path
	moved.URL.RawPath = "/" + match[1] + r.URL.EscapedPath()
	return moved
}

// subresources are the names in a query that make a request about something else than a bucket's listing or an object's content.
var subresources = []string{"abac", "accelerate", "acl", "analytics", "annotation", "attributes", "cors", "delete", "encryption", "intelligent-tiering", "inventory",
	"legal-hold", "lifecycle", "location", "logging", "metadataAnnotationTable", "metadataConfiguration", "metadataInventoryTable", "metadataJournalTable", "metadataTable",
	"metrics", "notification", "object-lock", "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication", "requestPayment",
	"restore", "retention", "select", "session", "tagging", "torrent", "uploads", "versioning", "versions", "website"}

// unserved refuses a request for a subresource that the found operation is not about: it must not be taken for a plain read or write.
func unserved(r *http.Request, op *OperationModel) error {
	_, own, _ := strings.Cut(op.HTTP.RequestURI, "?")
	served, err := url.ParseQuery(own)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	at := slices.IndexFunc(subresources, func(name string) bool { return query.Has(name) && !served.Has(name) })
	if at < 0 {
		return nil
	}
	return &Error{Code: "NotImplemented", Message: "The twin does not serve the subresource " + subresources[at] + " with " + r.Method + ".", Status: http.StatusNotImplemented}
}

// s3Roots are the root elements of S3's answers.
var s3Roots = map[string]string{
	"ListBucketsOutput": "ListAllMyBucketsResult", "ListObjectsOutput": "ListBucketResult", "ListObjectsV2Output": "ListBucketResult",
	"ListObjectVersionsOutput": "ListVersionsResult", "CreateMultipartUploadOutput": "InitiateMultipartUploadResult",
	"CompleteMultipartUploadOutput": "CompleteMultipartUploadResult", "ListPartsOutput": "ListPartsResult", "ListMultipartUploadsOutput": "ListMultipartUploadsResult",
	"DeleteObjectsOutput": "DeleteResult", "GetBucketVersioningOutput": "VersioningConfiguration", "GetBucketTaggingOutput": "Tagging", "GetObjectTaggingOutput": "Tagging",
	"GetBucketAclOutput": "AccessControlPolicy", "GetObjectAclOutput": "AccessControlPolicy", "GetBucketLoggingOutput": "BucketLoggingStatus",
	"GetBucketCorsOutput": "CORSConfiguration", "GetBucketWebsiteOutput": "WebsiteConfiguration", "GetBucketLifecycleConfigurationOutput": "LifecycleConfiguration",
	"NotificationConfiguration": "NotificationConfiguration", "GetBucketAccelerateConfigurationOutput": "AccelerateConfiguration",
	"GetBucketRequestPaymentOutput": "RequestPaymentConfiguration", "GetObjectAttributesOutput": "GetObjectAttributesResponse",
}

const s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// writeLocation sends a bucket's region, which is the text of the root element itself.
func writeLocation(w http.ResponseWriter, v reflect.Value) error {
	x := &xmlWriter{}
	x.WriteString(xmlHead)
	region := ""
	if f, ok := present(field(v, "LocationConstraint")); ok {
		region = f.String()
	}
	x.WriteString(`<LocationConstraint xmlns="` + s3Namespace + `">` + region + `</LocationConstraint>`)
	w.Header().Set("Content-Type", "application/xml")
	return send(w, http.StatusOK, x.Bytes())
}
