package engine

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// BuildContext is the directory an image is built from, without what its ignore file leaves out. The rules of ignore
// files (https://docs.docker.com/build/concepts/context/#dockerignore-files) are matched by the library Docker itself
// uses: their order, negation and wildcards have corners that a second implementation would get wrong. It is not safe for
// concurrent use.
type BuildContext struct {
	dir        string
	dockerfile string // slash-separated, relative to dir
	ignored    *patternmatcher.PatternMatcher
	matches    map[string]patternmatcher.MatchInfo // by directory
}

// OpenBuildContext finds a Dockerfile, relative to the directory, and reads the ignore file that goes with it:
// <Dockerfile>.dockerignore, else .dockerignore.
func OpenBuildContext(dir, dockerfile string) (*BuildContext, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("build context: %w", err)
	}
	if info, err := os.Stat(real); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("build context %s is not a directory", dir)
	}
	if !filepath.IsLocal(dockerfile) {
		return nil, fmt.Errorf("Dockerfile %s is outside of the build context %s", dockerfile, dir)
	}
	if info, err := os.Stat(filepath.Join(real, dockerfile)); err != nil || info.IsDir() {
		return nil, fmt.Errorf("there is no Dockerfile at %s", filepath.Join(dir, dockerfile))
	}
	patterns, err := ignorePatterns(real, dockerfile)
	if err != nil {
		return nil, err
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("ignore file of %s: %w", dir, err)
	}
	return &BuildContext{
		dir: real, dockerfile: filepath.ToSlash(filepath.Clean(dockerfile)), ignored: ignored,
		matches: map[string]patternmatcher.MatchInfo{},
	}, nil
}

// ignorePatterns reads <Dockerfile>.dockerignore, else .dockerignore, else nothing.
func ignorePatterns(dir, dockerfile string) ([]string, error) {
	for _, name := range []string{dockerfile + ".dockerignore", ".dockerignore"} {
		file, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("ignore file: %w", err)
		}
		patterns, err := ignorefile.ReadAll(file)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("ignore file %s: %w", name, err)
		}
		return patterns, nil
	}
	return nil, nil
}

// Dockerfile is the Dockerfile's path in the context, slash-separated.
func (c *BuildContext) Dockerfile() string { return c.dockerfile }

// ContextFile is a file, a directory or a symbolic link of a build context.
type ContextFile struct {
	Name   string // slash-separated, relative to the context
	Path   string // on this machine
	Info   fs.FileInfo
	Target string // of a symbolic link
}

// Walk visits what the engine is sent of the context below one of its directories, "" being all of it, in the order of
// the paths. Sockets, pipes and devices are nothing an image could hold. visit may answer fs.SkipDir and fs.SkipAll.
func (c *BuildContext) Walk(below string, visit func(ContextFile) error) error {
	root := filepath.Join(c.dir, filepath.FromSlash(below))
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(c.dir, path)
		if err != nil {
			return err
		}
		skip, err := c.isIgnored(name, entry.IsDir())
		switch {
		case err != nil:
			return err
		case !skip:
			return visitEntry(path, filepath.ToSlash(name), entry, visit)
		case entry.IsDir() && !c.mayReinclude(name):
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read build context: %w", err)
	}
	return nil
}

func visitEntry(path, name string, entry fs.DirEntry, visit func(ContextFile) error) error {
	info, err := entry.Info()
	if err != nil || info.Mode()&(fs.ModeSocket|fs.ModeNamedPipe|fs.ModeDevice) != 0 {
		return err
	}
	file := ContextFile{Name: name, Path: path, Info: info}
	if info.Mode()&fs.ModeSymlink != 0 {
		if file.Target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	return visit(file)
}

// Sends reports whether a path of the context goes to the engine, be it there or not.
func (c *BuildContext) Sends(name string) (bool, error) {
	skip, err := c.isIgnored(filepath.Clean(filepath.FromSlash(name)), false)
	return !skip, err
}

// writeTo writes the context as a tar archive: paths in order, owned by root as every builder sees them.
func (c *BuildContext) writeTo(w io.Writer) error {
	archive := tar.NewWriter(w)
	if err := c.Walk("", func(file ContextFile) error { return file.addTo(archive) }); err != nil {
		return err
	}
	return archive.Close()
}

// isIgnored matches a path. The Dockerfile and the ignore file always go along: the engine needs the first, and takes
// both out again where they are ignored.
func (c *BuildContext) isIgnored(name string, isDir bool) (bool, error) {
	matched, info, err := c.ignored.MatchesUsingParentResults(name, c.matches[filepath.Dir(name)])
	if err != nil {
		return false, fmt.Errorf("ignore rules at %s: %w", name, err)
	}
	if isDir {
		c.matches[name] = info
	}
	slashed := filepath.ToSlash(name)
	return matched && slashed != c.dockerfile && slashed != ".dockerignore", nil
}

// mayReinclude says whether something below an ignored directory is wanted after all.
func (c *BuildContext) mayReinclude(dir string) bool {
	below := dir + string(filepath.Separator)
	if strings.HasPrefix(filepath.FromSlash(c.dockerfile), below) {
		return true
	}
	for _, pattern := range c.ignored.Patterns() {
		if pattern.Exclusion() && (strings.HasPrefix(pattern.String(), below) || strings.ContainsAny(pattern.String(), "*?[")) {
			return true
		}
	}
	return false
}

func (f ContextFile) addTo(archive *tar.Writer) error {
	header, err := tar.FileInfoHeader(f.Info, f.Target)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	header.Name, header.Uid, header.Gid, header.Uname, header.Gname = f.Name, 0, 0, "", ""
	if f.Info.IsDir() {
		header.Name += "/"
	}
	if err := archive.WriteHeader(header); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	if !f.Info.Mode().IsRegular() {
		return nil
	}
	return f.copyTo(archive, header.Size)
}

// copyTo copies a file whose size the archive has been told. A program may be writing to it meanwhile.
func (f ContextFile) copyTo(archive *tar.Writer, size int64) error {
	const remedy = "build again once nothing writes to it, or leave it out with .dockerignore"
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	written, err := io.Copy(archive, file)
	switch {
	case errors.Is(err, tar.ErrWriteTooLong):
		return fmt.Errorf("%s grew while it was read (%w): %s", f.Name, err, remedy)
	case err != nil:
		return fmt.Errorf("%s: %w", f.Name, err)
	case written < size:
		return fmt.Errorf("%s shrank while it was read (%d bytes of %d): %s", f.Name, written, size, remedy)
	}
	return nil
}
