package s3_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway.dev/internal/twin/twintest"
)

// terminal runs the real AWS CLI against a twin.
type terminal struct {
	*testing.T
	aws string
	env []string
	dir string
}

func newTerminal(t *testing.T, w *twintest.Twin) *terminal {
	t.Helper()
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the AWS CLI is not installed")
	}
	return &terminal{T: t, aws: aws, env: append(os.Environ(), w.Env()...), dir: t.TempDir()}
}

func (t *terminal) try(args ...string) (string, error) {
	c := exec.CommandContext(t.Context(), t.aws, args...)
	c.Env, c.Dir = t.env, t.dir
	out, err := c.CombinedOutput()
	return string(out), err
}

func (t *terminal) run(args ...string) string {
	t.Helper()
	out, err := t.try(args...)
	if err != nil {
		t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (t *terminal) write(name string, content []byte) {
	t.Helper()
	path := filepath.Join(t.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (t *terminal) read(name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(t.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func noise(n int) []byte {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte{7})
	source.Read(b)
	return b
}

func TestTheCommandLineCopiesAndSynchronizes(t *testing.T) {
	t.Parallel()
	c := newTerminal(t, twintest.Start(t))
	c.run("s3", "mb", "s3://files")
	c.write("a/one.txt", []byte("one"))
	c.write("a/b/two with space+plus.txt", []byte("two"))
	c.run("s3", "sync", "a", "s3://files/tree")
	if out := c.run("s3", "ls", "s3://files/tree/"); !strings.Contains(out, "PRE b/") || !strings.Contains(out, "one.txt") {
		t.Errorf("ls: %s", out)
	}
	if out := c.run("s3", "sync", "a", "s3://files/tree"); out != "" {
		t.Errorf("a second sync did: %s", out)
	}
	c.run("s3", "cp", "--recursive", "s3://files/tree", "back")
	if got := c.read("back/b/two with space+plus.txt"); string(got) != "two" {
		t.Errorf("came back as %q", got)
	}
	c.run("s3", "cp", "s3://files/tree/one.txt", "s3://files/copy.txt")
	if out := c.run("s3", "cp", "s3://files/copy.txt", "-"); out != "one" {
		t.Errorf("copy: %q", out)
	}
	if out, err := c.try("s3", "rb", "s3://files"); err == nil || !strings.Contains(out, "BucketNotEmpty") || !strings.Contains(out, "The bucket you tried to delete is not empty") {
		t.Errorf("rb of a full bucket: %s", out)
	}
	c.run("s3", "rm", "--recursive", "s3://files")
	c.run("s3", "rb", "s3://files")
}

func TestTheCommandLineUploadsInParts(t *testing.T) {
	t.Parallel()
	c := newTerminal(t, twintest.Start(t))
	content := noise(20<<20 + 12345)
	c.write("big", content)
	c.run("s3", "mb", "s3://files")
	c.run("s3", "cp", "big", "s3://files/big")
	c.run("s3", "cp", "s3://files/big", "back")
	if !bytes.Equal(c.read("back"), content) {
		t.Error("the content came back changed")
	}
	var head struct{ ETag string }
	if err := json.Unmarshal([]byte(c.run("s3api", "head-object", "--bucket", "files", "--key", "big", "--output", "json")), &head); err != nil || !strings.HasSuffix(head.ETag, `-3"`) {
		t.Errorf("etag %s, %v; want one of three parts", head.ETag, err)
	}
	c.run("s3api", "get-object", "--bucket", "files", "--key", "big", "--range", "bytes=8388600-8388623", "part")
	if !bytes.Equal(c.read("part"), content[8388600:8388624]) {
		t.Error("a range across two parts is wrong")
	}
}

func TestTheCommandLineTalksToTheAPI(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	c := newTerminal(t, w)
	c.run("s3api", "create-bucket", "--bucket", "there", "--create-bucket-configuration", "LocationConstraint=eu-west-1")
	if out := c.run("s3api", "get-bucket-location", "--bucket", "there", "--output", "text"); strings.TrimSpace(out) != "eu-west-1" {
		t.Errorf("location %q", out)
	}
	for _, algorithm := range []string{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
		c.write("f", []byte("content for "+algorithm))
		if out, err := c.try("s3api", "put-object", "--bucket", "there", "--key", algorithm, "--body", "f", "--checksum-algorithm", algorithm); err != nil && !strings.Contains(out, "awscrt") && !strings.Contains(out, "Missing Dependency") {
			t.Errorf("%s: %s", algorithm, out)
		} else if err == nil {
			c.run("s3api", "get-object", "--bucket", "there", "--key", algorithm, "--checksum-mode", "ENABLED", "g")
		}
	}
	c.run("s3api", "put-object-tagging", "--bucket", "there", "--key", "SHA1", "--tagging", "TagSet=[{Key=a,Value=b}]")
	if out := c.run("s3api", "get-object-tagging", "--bucket", "there", "--key", "SHA1", "--query", "TagSet[0].Value", "--output", "text"); strings.TrimSpace(out) != "b" {
		t.Errorf("tags: %s", out)
	}
	c.run("s3api", "put-bucket-versioning", "--bucket", "there", "--versioning-configuration", "Status=Enabled")
	if out := c.run("s3api", "get-bucket-versioning", "--bucket", "there", "--query", "Status", "--output", "text"); strings.TrimSpace(out) != "Enabled" {
		t.Errorf("versioning: %s", out)
	}
	c.run("s3api", "put-bucket-policy", "--bucket", "there", "--policy", `{"Version":"2012-10-17","Statement":[]}`)
	if out := c.run("s3api", "get-bucket-policy", "--bucket", "there", "--query", "Policy", "--output", "text"); !strings.Contains(out, "2012-10-17") {
		t.Errorf("policy: %s", out)
	}
	c.run("s3api", "put-bucket-lifecycle-configuration", "--bucket", "there", "--lifecycle-configuration", `{"Rules":[{"ID":"x","Status":"Enabled","Filter":{"Prefix":"tmp/"},"Expiration":{"Days":3}}]}`)
	if out := c.run("s3api", "get-bucket-lifecycle-configuration", "--bucket", "there", "--query", "Rules[0].Expiration.Days", "--output", "text"); strings.TrimSpace(out) != "3" {
		t.Errorf("lifecycle: %s", out)
	}
	if out := c.run("s3api", "get-bucket-acl", "--bucket", "there", "--query", "Grants[0].Grantee.Type", "--output", "text"); strings.TrimSpace(out) != "CanonicalUser" {
		t.Errorf("acl: %s", out)
	}
	if out, err := c.try("s3api", "get-object-legal-hold", "--bucket", "there", "--key", "SHA1"); err == nil || !strings.Contains(out, "does not serve") {
		t.Errorf("a subresource that is not served: %s", out)
	}
	c.presigned()
}

func (t *terminal) presigned() {
	t.Helper()
	t.write("config", []byte("[default]\ns3 =\n  signature_version = s3v4\n"))
	t.env = append(t.env, "AWS_CONFIG_FILE="+filepath.Join(t.dir, "config"))
	url := strings.TrimSpace(t.run("s3", "presign", "s3://there/SHA1"))
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	if string(body) != "content for SHA1" {
		t.Errorf("presigned: %s %s", answer.Status, body)
	}
}
