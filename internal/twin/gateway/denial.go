package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"slipway.dev/internal/twin/wire"
)

// ErrUnknownKey says that an access key does not exist, is inactive or was deleted.
var ErrUnknownKey = errors.New("unknown access key")

// denial is a failed authentication. Its code depends on the protocol that is spoken.
type denial struct {
	query, json, ec2, s3 string // codes
	status               int
	message              string
}

func (d *denial) Error() string { return d.message }

func (d *denial) forS3() *wire.Error {
	return &wire.Error{Code: d.s3, Message: cmp.Or(wordsOfS3[d.s3], d.message), Status: d.status}
}

// wordsOfS3 are those that S3 has for itself: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
var wordsOfS3 = map[string]string{
	"InvalidAccessKeyId":    "The AWS Access Key Id you provided does not exist in our records.",
	"SignatureDoesNotMatch": "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
	"RequestTimeTooSkewed":  "The difference between the request time and the current time is too large.",
	"ExpiredToken":          "The provided token has expired.",
}

var (
	errMissing = &denial{"MissingAuthenticationToken", "MissingAuthenticationTokenException", "MissingParameter", "AccessDenied",
		http.StatusForbidden, "Request is missing Authentication Token"}
	errIncomplete = &denial{"IncompleteSignature", "IncompleteSignatureException", "IncompleteSignature", "AuthorizationHeaderMalformed",
		http.StatusBadRequest, "The request signature does not conform to AWS standards."}
	errUnknown = &denial{"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "InvalidAccessKeyId",
		http.StatusForbidden, "The security token included in the request is invalid."}
	errMismatch = &denial{"SignatureDoesNotMatch", "InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch",
		http.StatusForbidden, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
	errOldScheme = &denial{"IncompleteSignature", "IncompleteSignatureException", "IncompleteSignature", "InvalidRequest",
		http.StatusBadRequest, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."}
	errExpired = &denial{"ExpiredToken", "ExpiredTokenException", "RequestExpired", "ExpiredToken",
		http.StatusForbidden, "The security token included in the request is expired"}
)

// clockError is a signature that is too old or lies in the future.
type clockError struct {
	at, now   time.Time
	window    time.Duration
	presigned bool
}

func (c *clockError) Error() string {
	at, now := c.at.Format(stamp), c.now.Format(stamp)
	if c.presigned {
		return "Request has expired"
	}
	if c.at.After(c.now) {
		return fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %d min.)", at, c.now.Add(c.window).Format(stamp), now, int(c.window.Minutes()))
	}
	return fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %d min.)", at, c.now.Add(-c.window).Format(stamp), now, int(c.window.Minutes()))
}

// word puts a failed authentication into the words of the service that was asked.
func word(api *wire.API, err error) *wire.Error {
	var d *denial
	if !errors.As(err, &d) {
		var clock *clockError
		if !errors.As(err, &clock) {
			e, _ := wire.AsError(err)
			return e
		}
		d = clock.denial()
	}
	e := &wire.Error{Code: d.query, Message: d.message, Status: d.status}
	m, modelErr := api.Model()
	switch {
	case modelErr != nil:
	case api.Name == "s3":
		return d.forS3()
	case m.Metadata.Protocol == "ec2":
		e.Code = d.ec2
	case m.Metadata.Protocol == "json" || m.Metadata.Protocol == "rest-json":
		e.Code, e.Status = d.json, http.StatusBadRequest
	}
	return e
}

func (c *clockError) denial() *denial {
	d := *errMismatch
	d.message = c.Error()
	d.ec2, d.s3 = "RequestExpired", "RequestTimeTooSkewed"
	if c.presigned {
		d.s3 = "AccessDenied"
	}
	return &d
}
