package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Build is an image to be built from a directory.
type Build struct {
	Dir        string // the context
	Dockerfile string // relative to Dir; default "Dockerfile"
	Tags       []string
	Labels     map[string]string
	BuildArgs  map[string]string
	Target     string // stage; empty is the last
	Platform   string // "linux/arm64"; empty is the engine's own
	NoCache    bool
	Auth       map[string]Auth // registry host → login, for base images
	Progress   io.Writer       // the builder's output; nil drops it
}

// Build builds an image with the engine's own builder and returns its id. A build that fails is a *BuildError.
//
// The builder is the one every engine has. What only BuildKit understands (RUN --mount, here-documents) fails with the
// engine's message that says so.
func (e *Engine) Build(ctx context.Context, b Build) (imageID string, err error) {
	dockerfile := cmp.Or(b.Dockerfile, "Dockerfile")
	source, err := OpenBuildContext(b.Dir, dockerfile)
	if err != nil {
		return "", fmt.Errorf("build image: %w", err)
	}
	options, err := b.options(source.dockerfile)
	if err != nil {
		return "", fmt.Errorf("build image: %w", err)
	}
	archive := source.stream()
	defer func() { _ = archive.Close() }()
	result, err := e.api.ImageBuild(ctx, archive, options)
	if err != nil {
		return "", archive.failure(ctx, &BuildError{Dockerfile: dockerfile}, err)
	}
	defer result.Body.Close()
	log := &buildLog{}
	err = readMessages(result.Body, b.Progress, log.take)
	if err != nil {
		return "", archive.failure(ctx, log.failure(dockerfile), err)
	}
	if log.imageID == "" {
		return "", fmt.Errorf("build image from %s: the engine did not name what it built", dockerfile)
	}
	built, err := e.InspectImage(ctx, log.imageID) // the classic builder's last word is a shortened id
	return built.ID, err
}

// contextStream is the archive of a context, made while the engine reads it.
type contextStream struct {
	*io.PipeReader
	broken chan error // holds why the context could not be read, where that is why the archive ends
}

func (c *BuildContext) stream() *contextStream {
	reader, writer := io.Pipe()
	stream := &contextStream{PipeReader: reader, broken: make(chan error, 1)}
	go func() {
		err := c.writeTo(writer)
		if err != nil && !errors.Is(err, io.ErrClosedPipe) { // which is an engine that wants no more of it
			stream.broken <- err
		}
		writer.CloseWithError(err)
	}()
	return stream
}

// failure tells a context that cannot be read from every other reason. To the client an archive that ends early looks like
// a connection that broke.
func (s *contextStream) failure(ctx context.Context, failed *BuildError, err error) error {
	select {
	case broken := <-s.broken:
		return fmt.Errorf("build image from %s: %w", failed.Dockerfile, broken)
	default:
		return buildFailure(ctx, failed, err)
	}
}

func (b Build) options(dockerfile string) (client.ImageBuildOptions, error) {
	options := client.ImageBuildOptions{
		Tags: b.Tags, Labels: b.Labels, NoCache: b.NoCache, Target: b.Target, Dockerfile: dockerfile,
		Remove: true, ForceRemove: true, Version: build.BuilderV1,
	}
	if len(b.BuildArgs) > 0 {
		options.BuildArgs = map[string]*string{}
		for name, value := range b.BuildArgs {
			options.BuildArgs[name] = &value
		}
	}
	if len(b.Auth) > 0 {
		options.AuthConfigs = map[string]registry.AuthConfig{}
		for host, a := range b.Auth {
			options.AuthConfigs[host] = registry.AuthConfig{
				Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, ServerAddress: host,
			}
		}
	}
	if b.Platform != "" {
		platform, err := parsePlatform(b.Platform)
		if err != nil {
			return options, err
		}
		options.Platforms = []ocispec.Platform{platform}
	}
	return options, nil
}

// BuildError is an image that could not be built. It matches ErrImageNotFound where a base image is what is missing.
type BuildError struct {
	Dockerfile  string
	Step        string   // "2/3"; empty where the Dockerfile could not be read at all
	Instruction string   // "RUN go build ./..."
	BaseImage   string   // the image that could not be had, where that is why
	ExitCode    int      // of the instruction's command; 0 where it is not a command that failed
	Output      []string // the last lines of the failed step
	Text        string   // the engine's reason
	cause       error
}

func (e *BuildError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "build image from %s: ", e.Dockerfile)
	if e.Step != "" {
		fmt.Fprintf(&text, "step %s, %s: ", e.Step, e.Instruction)
	}
	switch {
	case e.BaseImage != "":
		fmt.Fprintf(&text, "the base image %s cannot be had: %s", e.BaseImage, e.Text)
	case e.ExitCode != 0:
		fmt.Fprintf(&text, "exit code %d", e.ExitCode)
	default:
		text.WriteString(e.Text)
	}
	for _, line := range e.Output {
		text.WriteString("\n  " + line)
	}
	return text.String()
}

// Unwrap gives the engine's error, and ErrImageNotFound for a missing base image.
func (e *BuildError) Unwrap() []error {
	if e.BaseImage != "" {
		return []error{ErrImageNotFound, e.cause}
	}
	return []error{e.cause}
}

// buildFailure tells a build that failed from an engine that went away and a caller that did not want to wait.
func buildFailure(ctx context.Context, failed *BuildError, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("build image from %s: %w", failed.Dockerfile, ctx.Err())
	}
	if isGone(err) {
		return failure("build image from", failed.Dockerfile, err)
	}
	failed.cause, failed.Text = err, shorten(err.Error())
	var reported *messageError
	if errors.As(err, &reported) {
		failed.ExitCode = exitCodeOfStep(reported)
	}
	if failed.ExitCode != 0 || containsAny(failed.Text, fileMissing) {
		failed.BaseImage = ""
	}
	return failed
}

var exitInText = regexp.MustCompile(`(?:returned a non-zero code: |exit status )(\d+)`)

func exitCodeOfStep(reported *messageError) int {
	match := exitInText.FindStringSubmatch(reported.text)
	if match == nil {
		return 0
	}
	var code int
	_, _ = fmt.Sscan(match[1], &code) // digits, by the expression
	return code
}

// fileMissing are the words for a COPY whose image is there and whose file is not.
var fileMissing = []string{"COPY failed", "no such file"}

// baseImage is the image an instruction takes from elsewhere: FROM [--platform=…] image, COPY --from=image.
func baseImage(instruction string) string {
	words := strings.Fields(instruction)
	if len(words) == 0 {
		return ""
	}
	for _, word := range words[1:] {
		flag, isFlag := strings.CutPrefix(word, "--")
		from, isFrom := strings.CutPrefix(flag, "from=")
		switch {
		case strings.EqualFold(words[0], "FROM") && !isFlag:
			return word
		case strings.EqualFold(words[0], "COPY") && isFrom:
			return from
		}
	}
	return ""
}

// outputLimit is how many lines of a failed step are kept: a compiler's errors fit.
const outputLimit = 30

// buildLog follows a builder's output.
type buildLog struct {
	step, instruction string
	output            []string
	open              string // a line whose end has not come
	imageID           string
}

// Docker: "Step 2/3 : RUN x"; Podman: "STEP 2/3: RUN x", for stages "[1/2] STEP 2/3: RUN x".
var stepLine = regexp.MustCompile(`(?i)^(?:\[\d+/\d+\] )?step (\d+(?:/\d+)?) ?: (.*)$`)

func (l *buildLog) take(m message) {
	if id := m.imageID(); id != "" {
		l.imageID = id
	}
	lines := strings.Split(l.open+m.Stream, "\n")
	l.open = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		l.line(strings.TrimRight(line, "\r "))
	}
}

func (l *buildLog) line(text string) {
	if match := stepLine.FindStringSubmatch(text); match != nil {
		l.step, l.instruction, l.output = match[1], match[2], nil
		return
	}
	if text == "" || strings.HasPrefix(text, " ---> ") || strings.HasPrefix(text, "Removing intermediate container ") {
		return
	}
	l.output = append(l.output, text)
	if len(l.output) > outputLimit {
		l.output = l.output[1:]
	}
}

func (l *buildLog) failure(dockerfile string) *BuildError {
	if l.open != "" {
		l.line(l.open)
	}
	return &BuildError{
		Dockerfile: dockerfile, Step: l.step, Instruction: l.instruction, BaseImage: baseImage(l.instruction), Output: l.output,
	}
}
