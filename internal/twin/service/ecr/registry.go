package ecr

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	api "slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// registry is the OCI distribution API over ECR's own operations. The first two parts of a repository's path are its account
// and region; where the host is <account>.dkr.ecr.<region>.…, they are the host's.
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md
type registry struct {
	*Service
	ecr api.Client
}

// visit is one request to the registry, taken apart.
type visit struct {
	w        http.ResponseWriter
	r        *http.Request
	prefix   string // what stands before the name in the path: "000000000000/us-east-1/"
	name     string
	kind     string // manifests, blobs, uploads, tags, referrers
	argument string // tag, digest or upload id
	signed   bool   // the address is one that GetDownloadUrlForLayer returned
}

func (v *visit) url(format string, args ...any) string {
	return "/v2/" + v.prefix + v.name + "/" + fmt.Sprintf(format, args...)
}

var (
	registryPath = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|blobs/uploads|tags|referrers)/([^/]*)$`)
	registryHost = regexp.MustCompile(`^([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.`)
	accountPath  = regexp.MustCompile(`^([0-9]{12})/([a-z]+-[a-z0-9-]+)/(.+)$`)
)

// Takes reports whether a request is the registry's.
func (g *registry) Takes(r *http.Request) bool {
	return r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/")
}

func (g *registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	caller, signed, ok := g.authenticate(w, r)
	if !ok {
		return
	}
	if r.URL.Path == "/v2/" || r.URL.Path == "/v2" {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "{}")
		return
	}
	v, ok := g.open(w, r, &caller)
	if !ok {
		return
	}
	v.signed = signed
	if err := g.serve(operation.WithCaller(r.Context(), caller), v); err != nil {
		g.fail(v, err)
	}
}

// authenticate finds the caller by the signature of a layer's address, else by the password.
func (g *registry) authenticate(w http.ResponseWriter, r *http.Request) (caller operation.Caller, signed, ok bool) {
	caller, signed, err := g.signer(r)
	if signed {
		if err != nil {
			refuse(w, http.StatusForbidden, "DENIED", err.Error())
		}
		return caller, signed, err == nil
	}
	_, password, _ := r.BasicAuth()
	if caller, err = g.caller(password); err != nil {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Basic realm="%s/",service="ecr.amazonaws.com"`, g.Endpoint))
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", cmp.Or(map[bool]string{true: "Not Authorized"}[password == ""], err.Error()))
	}
	return caller, false, err == nil
}

// open finds the repository and the thing in it that a request is about, and settles the caller's region.
func (g *registry) open(w http.ResponseWriter, r *http.Request, caller *operation.Caller) (*visit, bool) {
	match := registryPath.FindStringSubmatch(r.URL.Path)
	if match == nil {
		refuse(w, http.StatusForbidden, "DENIED", "ECR serves repositories only: there is no catalog at "+r.URL.Path)
		return nil, false
	}
	v := &visit{w: w, r: r, name: match[1], kind: strings.TrimPrefix(match[2], "blobs/"), argument: match[3]}
	account := ""
	if host := registryHost.FindStringSubmatch(r.Host); host != nil {
		account, caller.Region = host[1], host[2]
	} else if path := accountPath.FindStringSubmatch(v.name); path != nil {
		account, caller.Region, v.name = path[1], path[2], path[3]
		v.prefix = account + "/" + caller.Region + "/"
	}
	switch account {
	case caller.Account:
	case "":
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "The repository "+v.name+" names no account and region: write "+g.host()+"/<account>/<region>/<repository>")
		return nil, false
	default:
		refuse(w, http.StatusForbidden, "DENIED", fmt.Sprintf("User: %s is not authorized to access the registry with id '%s'", caller.ARN, account))
		return nil, false
	}
	caller.SourceIP, _, _ = net.SplitHostPort(r.RemoteAddr)
	caller.Endpoint = g.Endpoint
	return v, true
}

func (g *registry) host() string {
	_, host, _ := strings.Cut(g.Endpoint, "://")
	return host
}

func (g *registry) serve(ctx context.Context, v *visit) error {
	get := v.r.Method == http.MethodGet || v.r.Method == http.MethodHead
	switch {
	case v.kind == "manifests" && get:
		return g.getManifest(ctx, v)
	case v.kind == "manifests" && v.r.Method == http.MethodPut:
		return g.putManifest(ctx, v)
	case v.kind == "manifests" && v.r.Method == http.MethodDelete:
		return g.deleteManifest(ctx, v)
	case v.kind == "blobs" && get:
		return g.getBlob(ctx, v)
	case v.kind == "uploads" && v.argument == "" && v.r.Method == http.MethodPost:
		return g.beginUpload(ctx, v)
	case v.kind == "uploads" && v.argument != "":
		return g.continueUpload(ctx, v)
	case v.kind == "tags" && v.argument == "list" && get:
		return g.listTags(ctx, v)
	case v.kind == "referrers" && get:
		return g.listReferrers(ctx, v)
	}
	return errUnsupported
}

var errUnsupported = &wire.Error{Code: "UnsupportedOperation", Message: "The operation is unsupported.", Status: http.StatusMethodNotAllowed}

// translations are the registry's words for ECR's errors.
var translations = map[string]struct {
	status int
	code   string
}{
	"RepositoryNotFoundException":       {http.StatusNotFound, "NAME_UNKNOWN"},
	"ImageNotFoundException":            {http.StatusNotFound, "MANIFEST_UNKNOWN"},
	"LayersNotFoundException":           {http.StatusNotFound, "BLOB_UNKNOWN"},
	"ReferencedImagesNotFoundException": {http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN"},
	"UploadNotFoundException":           {http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN"},
	"ImageTagAlreadyExistsException":    {http.StatusBadRequest, "TAG_INVALID"},
	"ImageDigestDoesNotMatchException":  {http.StatusBadRequest, "DIGEST_INVALID"},
	"InvalidLayerException":             {http.StatusBadRequest, "DIGEST_INVALID"},
	"InvalidLayerPartException":         {http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID"},
	"UnsupportedImageTypeException":     {http.StatusBadRequest, "MANIFEST_INVALID"},
	"InvalidParameterException":         {http.StatusBadRequest, "MANIFEST_INVALID"},
	"ImageReferencedByManifestList":     {http.StatusConflict, "DENIED"},
	"AccessDeniedException":             {http.StatusForbidden, "DENIED"},
	"UnsupportedOperation":              {http.StatusMethodNotAllowed, "UNSUPPORTED"},
}

func (g *registry) fail(v *visit, err error) {
	e, internal := wire.AsError(err)
	if internal && v.r.Context().Err() == nil {
		g.Log.Error("registry request failed", "method", v.r.Method, "path", v.r.URL.Path, "error", err)
	}
	known, ok := translations[e.Code]
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, store.ErrFull):
		// DENIED, because Docker tries again for most of a minute after anything else, and hides the text of a 5xx.
		refuse(v.w, http.StatusRequestEntityTooLarge, "DENIED", "no space left on device: the twin cannot keep the image; make room and push again")
	case ok:
		refuse(v.w, known.status, known.code, e.Message)
	case internal:
		refuse(v.w, http.StatusInternalServerError, "UNKNOWN", e.Message)
	default:
		refuse(v.w, cmp.Or(e.Status, http.StatusBadRequest), "UNKNOWN", e.Message)
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}

// reference is a tag or a digest.
func reference(argument string) api.ImageIdentifier {
	if strings.Contains(argument, ":") {
		return api.ImageIdentifier{ImageDigest: &argument}
	}
	return api.ImageIdentifier{ImageTag: &argument}
}

func (g *registry) getManifest(ctx context.Context, v *visit) error {
	out, err := g.ecr.BatchGetImage(ctx, &api.BatchGetImageInput{RepositoryName: v.name, ImageIds: []api.ImageIdentifier{reference(v.argument)}})
	if err != nil {
		return err
	}
	if len(out.Images) == 0 {
		return wire.NotFoundf("ImageNotFoundException", "Requested image not found")
	}
	i := out.Images[0]
	if err := g.pulled(ctx, v.name, *i.ImageId.ImageDigest); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", *i.ImageManifestMediaType)
	h.Set("Content-Length", strconv.Itoa(len(*i.ImageManifest)))
	h.Set("Docker-Content-Digest", *i.ImageId.ImageDigest)
	if v.r.Method == http.MethodGet {
		_, err = io.WriteString(v.w, *i.ImageManifest)
	}
	return err
}

// pulled notes when an image was last fetched, to the day: a note for every pull would be a write for every pull.
func (g *registry) pulled(ctx context.Context, name, digest string) error {
	now := g.Clock.Now()
	var i image
	err := g.see(ctx, nil, name, func(tx *store.Tx, r repository) (err error) {
		i, err = r.image(tx, digest)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && now.Sub(i.Pulled).Hours() < 24 {
		return nil
	}
	_, err = g.change(ctx, nil, name, func(tx *store.Tx, r *repository) error {
		i, err := r.image(tx, digest)
		if err != nil {
			return err
		}
		i.Pulled = now
		return images.Put(tx, i.key(), i)
	})
	return err
}

const maxManifest = 4 << 20

func (g *registry) putManifest(ctx context.Context, v *visit) error {
	body, err := io.ReadAll(io.LimitReader(v.r.Body, maxManifest+1))
	if err != nil {
		return fmt.Errorf("receive manifest: %w", err)
	}
	if len(body) > maxManifest {
		return &wire.Error{Code: "InvalidParameterException", Message: "The manifest is larger than 4 MiB"}
	}
	id := reference(v.argument)
	digest := digestOf(body)
	_, err = g.ecr.PutImage(ctx, &api.PutImageInput{RepositoryName: v.name, ImageManifest: string(body), ImageDigest: id.ImageDigest, ImageTag: id.ImageTag,
		ImageManifestMediaType: wire.Maybe(v.r.Header.Get("Content-Type"))})
	if err != nil && !wire.HasCode(err, "ImageAlreadyExistsException") {
		return err
	}
	if m, err := parseManifest(string(body), v.r.Header.Get("Content-Type")); err == nil && m.Subject != nil {
		v.w.Header().Set("OCI-Subject", m.Subject.Digest)
	}
	v.w.Header().Set("Docker-Content-Digest", digest)
	v.w.Header().Set("Location", v.url("manifests/%s", digest))
	v.w.WriteHeader(http.StatusCreated)
	return nil
}

func (g *registry) deleteManifest(ctx context.Context, v *visit) error {
	out, err := g.ecr.BatchDeleteImage(ctx, &api.BatchDeleteImageInput{RepositoryName: v.name, ImageIds: []api.ImageIdentifier{reference(v.argument)}})
	if err != nil {
		return err
	}
	if len(out.Failures) > 0 {
		f := out.Failures[0]
		if *f.FailureCode == "ImageNotFound" {
			return wire.NotFoundf("ImageNotFoundException", "%s", *f.FailureReason)
		}
		return wire.Errorf(*f.FailureCode, "%s", *f.FailureReason)
	}
	v.w.WriteHeader(http.StatusAccepted)
	return nil
}

// getBlob serves a blob or a part of it. Docker asks with HEAD what it need not push.
func (g *registry) getBlob(ctx context.Context, v *visit) error {
	if !validDigest(v.argument) {
		return wire.Errorf("InvalidLayerException", "The digest %s is not one of SHA-256", v.argument)
	}
	if err := g.mayGetBlob(ctx, v); err != nil {
		return err
	}
	f, err := os.Open(g.blobs.path(v.argument))
	if err != nil {
		return fmt.Errorf("blob %s: %w", v.argument, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	v.w.Header().Set("Docker-Content-Digest", v.argument)
	v.w.Header().Set("Content-Type", "application/octet-stream")
	v.w.Header().Set("Etag", `"`+v.argument+`"`)
	http.ServeContent(v.w, v.r, "", info.ModTime(), f)
	return nil
}

// mayGetBlob asks ECR as the caller. The one who was given a signed address has been asked already.
func (g *registry) mayGetBlob(ctx context.Context, v *visit) error {
	switch {
	case v.signed:
		return g.see(ctx, nil, v.name, func(tx *store.Tx, r repository) error { return r.mustHold(tx, v.argument) })
	case v.r.Method == http.MethodGet:
		_, err := g.ecr.GetDownloadUrlForLayer(ctx, &api.GetDownloadUrlForLayerInput{RepositoryName: v.name, LayerDigest: v.argument})
		return err
	}
	out, err := g.ecr.BatchCheckLayerAvailability(ctx, &api.BatchCheckLayerAvailabilityInput{RepositoryName: v.name, LayerDigests: []string{v.argument}})
	if err == nil && (len(out.Layers) == 0 || *out.Layers[0].LayerAvailability != "AVAILABLE") {
		err = wire.NotFoundf("LayersNotFoundException", "The layer with digest '%s' does not exist", v.argument)
	}
	return err
}

// beginUpload starts an upload, mounts a layer from another repository, or takes a layer sent whole.
func (g *registry) beginUpload(ctx context.Context, v *visit) error {
	q := v.r.URL.Query()
	if digest, from := q.Get("mount"), q.Get("from"); validDigest(digest) && from != "" {
		mounted, err := g.mount(ctx, strings.TrimPrefix(from, v.prefix), v.name, digest)
		if err != nil {
			return err
		}
		if mounted {
			return v.created(digest)
		}
	}
	out, err := g.ecr.InitiateLayerUpload(ctx, &api.InitiateLayerUploadInput{RepositoryName: v.name})
	if err != nil {
		return err
	}
	v.argument = *out.UploadId
	if q.Get("digest") != "" {
		return g.finishUpload(ctx, v)
	}
	return v.accepted(0, http.StatusAccepted)
}

func (v *visit) created(digest string) error {
	v.w.Header().Set("Location", v.url("blobs/%s", digest))
	v.w.Header().Set("Docker-Content-Digest", digest)
	v.w.WriteHeader(http.StatusCreated)
	return nil
}

// accepted says where an upload goes on and how much of it is here.
func (v *visit) accepted(received int64, status int) error {
	v.progress(received)
	v.w.WriteHeader(status)
	return nil
}

func (v *visit) progress(received int64) {
	v.w.Header().Set("Location", v.url("blobs/uploads/%s", v.argument))
	v.w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, received-1)))
	v.w.Header().Set("Docker-Upload-Uuid", v.argument)
}

func (g *registry) continueUpload(ctx context.Context, v *visit) error {
	u, err := g.upload(ctx, nil, v.name, v.argument)
	if err != nil {
		return err
	}
	switch v.r.Method {
	case http.MethodGet, http.MethodHead:
		received, err := g.blobs.received(u.ID)
		if err != nil {
			return err
		}
		return v.accepted(received, http.StatusNoContent)
	case http.MethodPatch:
		received, err := g.receive(v, u)
		if err != nil {
			return err
		}
		return v.accepted(received, http.StatusAccepted)
	case http.MethodPut:
		return g.finishUpload(ctx, v)
	case http.MethodDelete:
		v.w.WriteHeader(http.StatusNoContent)
		return g.cancel(ctx, u)
	}
	return errUnsupported
}

// receive adds the request's body to an upload; a Content-Range must begin where the upload ends.
func (g *registry) receive(v *visit, u upload) (int64, error) {
	received, err := g.blobs.received(u.ID)
	if err != nil {
		return 0, err
	}
	if claimed := v.r.Header.Get("Content-Range"); claimed != "" {
		first, _, _ := strings.Cut(strings.TrimPrefix(claimed, "bytes "), "-")
		if start, err := strconv.ParseInt(first, 10, 64); err != nil || start != received {
			v.progress(received)
			return 0, wire.Errorf("InvalidLayerPartException", "The part begins at %s, but %d bytes have been received", first, received)
		}
	}
	return g.blobs.add(u.ID, v.r.Body)
}

func (g *registry) finishUpload(ctx context.Context, v *visit) error {
	digest := v.r.URL.Query().Get("digest")
	if !validDigest(digest) {
		return wire.Errorf("InvalidLayerException", "The digest %q is not one of SHA-256", digest)
	}
	u, err := g.upload(ctx, nil, v.name, v.argument)
	if err != nil {
		return err
	}
	if v.r.ContentLength != 0 {
		if _, err := g.receive(v, u); err != nil {
			return err
		}
	}
	if _, err := g.ecr.CompleteLayerUpload(ctx, &api.CompleteLayerUploadInput{RepositoryName: v.name, UploadId: u.ID, LayerDigests: []string{digest}}); err != nil {
		return err
	}
	return v.created(digest)
}

// listTags lists tags in their order, a page at a time: ?n=<count>&last=<tag>.
func (g *registry) listTags(ctx context.Context, v *visit) error {
	tags := []string{}
	in := &api.ListImagesInput{RepositoryName: v.name, Filter: &api.ListImagesFilter{TagStatus: new("TAGGED")}}
	for {
		out, err := g.ecr.ListImages(ctx, in)
		if err != nil {
			return err
		}
		for _, id := range out.ImageIds {
			tags = append(tags, *id.ImageTag)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	slices.Sort(tags)
	q := v.r.URL.Query()
	if last := q.Get("last"); last != "" {
		at, found := slices.BinarySearch(tags, last)
		if found {
			at++
		}
		tags = tags[at:]
	}
	if n, err := strconv.Atoi(q.Get("n")); err == nil && n >= 0 && n < len(tags) {
		tags = tags[:n]
		if n > 0 {
			v.w.Header().Set("Link", fmt.Sprintf(`<%s?n=%d&last=%s>; rel="next"`, v.url("tags/list"), n, tags[n-1]))
		}
	}
	return v.answer("application/json", map[string]any{"name": v.prefix + v.name, "tags": tags})
}

func (v *visit) answer(contentType string, body any) error {
	v.w.Header().Set("Content-Type", contentType)
	return json.NewEncoder(v.w).Encode(body)
}

// listReferrers lists the manifests that are about an image: signatures, attestations.
func (g *registry) listReferrers(ctx context.Context, v *visit) error {
	found := []map[string]any{}
	err := g.see(ctx, nil, v.name, func(tx *store.Tx, r repository) error {
		all, err := r.images(tx)
		for _, i := range all {
			wanted := v.r.URL.Query().Get("artifactType")
			if i.Subject == v.argument && (wanted == "" || wanted == i.ArtifactType) {
				found = append(found, map[string]any{"mediaType": i.MediaType, "digest": i.Digest, "size": len(i.Manifest), "artifactType": i.ArtifactType})
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return v.answer(ociIndex, map[string]any{"schemaVersion": 2, "mediaType": ociIndex, "manifests": found})
}
