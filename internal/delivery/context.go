package delivery

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// buildFolder is the folder an image is built from.
type buildFolder struct {
	dir        string
	dockerfile string // relative to dir
	ignored    *patternmatcher.PatternMatcher
}

func openBuildFolder(dir, dockerfile string) (*buildFolder, error) {
	patterns, err := ignorePatterns(dir, dockerfile)
	if err != nil {
		return nil, err
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("ignore file of %s: %w", dir, err)
	}
	return &buildFolder{dir: dir, dockerfile: filepath.Clean(dockerfile), ignored: ignored}, nil
}

// ignorePatterns reads the rules of what stays out of an image's context.
func ignorePatterns(dir, dockerfile string) ([]string, error) {
	for _, name := range []string{dockerfile + ".dockerignore", ".dockerignore"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return ignorefile.ReadAll(strings.NewReader(string(text)))
	}
	return nil, nil
}

// holds reports whether a file may be part of the image. The history of git is not counted: it changes without the files.
func (b *buildFolder) holds(name string) (bool, error) {
	name = filepath.FromSlash(strings.TrimSuffix(name, "/"))
	if name == ".git" || strings.HasPrefix(name, ".git"+string(filepath.Separator)) {
		return false, nil
	}
	if name == b.dockerfile {
		return true, nil
	}
	ignored, err := b.ignored.MatchesOrParentMatches(name)
	return !ignored, err
}

// differs reports whether any of the files that git calls changed may be part of the image.
func (b *buildFolder) differs(changed []string) (bool, error) {
	for _, name := range changed {
		if name != "" && !strings.HasSuffix(name, "/") {
			if holds, err := b.holds(name); err != nil || holds {
				return holds, err
			}
			continue
		}
		held := false
		if err := b.walk(name, func(string, string, fs.DirEntry) error { held = true; return filepath.SkipAll }); err != nil || held {
			return held, err
		}
	}
	return false, nil
}

// walk visits everything below a folder that may be part of the image, in order.
func (b *buildFolder) walk(below string, visit func(file, name string, entry fs.DirEntry) error) error {
	root := filepath.Join(b.dir, filepath.FromSlash(below))
	return filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == root {
			return err
		}
		name, err := filepath.Rel(b.dir, file)
		if err != nil {
			return err
		}
		holds, err := b.holds(name)
		switch {
		case err != nil:
			return err
		case holds:
			return visit(file, filepath.ToSlash(name), entry)
		case entry.IsDir() && (name == ".git" || !b.ignored.Exclusions()):
			return filepath.SkipDir
		}
		return nil
	})
}

// sum is a hash of everything that may be part of the image: names, permissions and contents, in order.
func (b *buildFolder) sum() (string, error) {
	digest := sha256.New()
	fmt.Fprintf(digest, "dockerfile %s\n", b.dockerfile)
	err := b.walk("", func(file, name string, entry fs.DirEntry) error { return addToSum(digest, file, name, entry) })
	if err != nil {
		return "", fmt.Errorf("read build context: %w", err)
	}
	return fmt.Sprintf("%x", digest.Sum(nil)), nil
}

func addToSum(digest hash.Hash, file, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	fmt.Fprintf(digest, "%q %o\n", path.Clean(name), info.Mode()&(fs.ModePerm|fs.ModeType))
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(file)
		fmt.Fprintf(digest, "%q\n", target)
		return err
	case !info.Mode().IsRegular():
		return nil
	}
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	size, err := io.Copy(digest, from)
	fmt.Fprintf(digest, "\n%d\n", size)
	return errors.Join(err, from.Close())
}
