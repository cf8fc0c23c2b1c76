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

// buildContext is the directory an image is built from, without what its ignore file leaves out. The rules of ignore
// files (https://docs.docker.com/build/concepts/context/#dockerignore-files) are matched by the library Docker itself
// uses: their order, negation and wildcards have corners that a second implementation would get wrong.
type buildContext struct {
	dir        string
	dockerfile string // slash-separated, relative to dir
	ignored    *patternmatcher.PatternMatcher
	matches    map[string]patternmatcher.MatchInfo // by directory
}

func openContext(dir, dockerfile string) (*buildContext, error) {
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
	return &buildContext{
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

// writeTo writes the context as a tar archive: paths in order, owned by root as every builder sees them.
func (c *buildContext) writeTo(w io.Writer) error {
	archive := tar.NewWriter(w)
	err := filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == c.dir {
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
			return c.add(archive, path, filepath.ToSlash(name), entry)
		case entry.IsDir() && !c.mayReinclude(name):
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read build context: %w", err)
	}
	return archive.Close()
}

// isIgnored matches a path. The Dockerfile and the ignore file always go along: the engine needs the first, and takes
// both out again where they are ignored.
func (c *buildContext) isIgnored(name string, isDir bool) (bool, error) {
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
func (c *buildContext) mayReinclude(dir string) bool {
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

func (c *buildContext) add(archive *tar.Writer, path, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	if info.Mode()&(fs.ModeSocket|fs.ModeNamedPipe|fs.ModeDevice) != 0 {
		return nil // nothing an image could hold
	}
	var target string
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	header.Name, header.Uid, header.Gid, header.Uname, header.Gname = name, 0, 0, "", ""
	if info.IsDir() {
		header.Name += "/"
	}
	if err := archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	return copyFile(archive, path)
}

func copyFile(to io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, file)
	return errors.Join(err, file.Close())
}
