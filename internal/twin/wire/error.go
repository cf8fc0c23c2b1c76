package wire

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is an error as AWS returns it. Code is AWS's code; Status the HTTP status, 400 where zero.
type Error struct {
	Code    string
	Message string
	Status  int
	Fields  map[string]any // further members of the error's shape, by member name
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an error of AWS's kind with status 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// NotFoundf makes an error with status 404, for the REST services.
func NotFoundf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: http.StatusNotFound}
}

// HasCode reports whether err is an AWS error of that code.
func HasCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// AsError turns any error into one that can go over the wire; what is not AWS's kind becomes an InternalFailure whose text
// does not leave the twin's log, unless it has a text for callers: Public.
func AsError(err error) (e *Error, internal bool) {
	if errors.As(err, &e) {
		return e, false
	}
	var told interface{ Public() string }
	if errors.As(err, &told) {
		return &Error{Code: "InternalFailure", Message: told.Public(), Status: http.StatusInternalServerError}, true
	}
	return &Error{Code: "InternalFailure", Message: "An internal error occurred. The twin's log says which: slipway twin logs", Status: http.StatusInternalServerError}, true
}
