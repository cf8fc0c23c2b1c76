package delivery

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"strings"

	"slipway.dev/internal/engine"
)

// buildFolder is the folder an image is built from, as its tag counts it: what a build sends to the engine, without the history
// of git, which changes while the files stay the same.
type buildFolder struct{ *engine.BuildContext }

func openBuildFolder(dir, dockerfile string) (*buildFolder, error) {
	context, err := engine.OpenBuildContext(dir, dockerfile)
	if err != nil {
		return nil, err
	}
	return &buildFolder{context}, nil
}

const gitFolder = ".git"

func isHistory(name string) bool { return name == gitFolder || strings.HasPrefix(name, gitFolder+"/") }

// differs reports whether any of the files that git calls changed may change the image. What is ignored changes with the rules, so
// that these count wherever they lie.
func (b *buildFolder) differs(changed []string) (bool, error) {
	for _, name := range changed {
		differs, err := false, error(nil)
		switch {
		case name == "" || strings.HasSuffix(name, "/"):
			differs, err = b.holdsAny(name)
		case name == b.Dockerfile()+".dockerignore":
			differs = true
		case !isHistory(name):
			differs, err = b.Sends(name)
		}
		if err != nil || differs {
			return differs, err
		}
	}
	return false, nil
}

// holdsAny reports whether anything below a folder may be part of the image.
func (b *buildFolder) holdsAny(below string) (held bool, err error) {
	err = b.walk(below, func(engine.ContextFile) error {
		held = true
		return fs.SkipAll
	})
	return held, err
}

// walk visits everything below a folder that may be part of the image, in order.
func (b *buildFolder) walk(below string, visit func(engine.ContextFile) error) error {
	return b.Walk(below, func(file engine.ContextFile) error {
		switch {
		case !isHistory(file.Name):
			return visit(file)
		case file.Info.IsDir():
			return fs.SkipDir
		}
		return nil
	})
}

// sum is a hash of everything that may be part of the image: names, permissions and contents, in order.
func (b *buildFolder) sum() (string, error) {
	digest := sha256.New()
	fmt.Fprintf(digest, "dockerfile %s\n", b.Dockerfile())
	if err := b.walk("", func(file engine.ContextFile) error { return addToSum(digest, file) }); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", digest.Sum(nil)), nil
}

// countedMode are the bits of a mode that an image keeps.
const countedMode = fs.ModePerm | fs.ModeType | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

func addToSum(digest hash.Hash, file engine.ContextFile) error {
	mode := file.Info.Mode()
	fmt.Fprintf(digest, "%q %o\n", file.Name, mode&countedMode)
	switch {
	case mode&fs.ModeSymlink != 0:
		fmt.Fprintf(digest, "%q\n", file.Target)
		return nil
	case !mode.IsRegular():
		return nil
	}
	from, err := os.Open(file.Path)
	if err != nil {
		return err
	}
	size, err := io.Copy(digest, from)
	fmt.Fprintf(digest, "\n%d\n", size)
	return errors.Join(err, from.Close())
}
