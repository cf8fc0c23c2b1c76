package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Git is what a folder's repository says about it. The zero value is a folder without one.
type Git struct {
	Revision string // first 7 characters of the commit
	Slug     string // owner/name of the remote origin, or its address where that cannot be told
	// Changed are the files below the folder that differ from the commit: changed, untracked or ignored; slash-separated,
	// relative to the folder. A name that ends in a slash is a whole folder.
	Changed []string
}

// ReadGit asks git about a folder. A folder that is in no repository, or in one without commits, gives the zero Git; so does a
// machine without git.
func ReadGit(ctx context.Context, dir string) (Git, error) {
	commit, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", "HEAD")
	if err != nil || len(commit) < 7 {
		return Git{}, nil
	}
	remote, _ := git(ctx, dir, "config", "--get", "remote.origin.url") // none is fine
	changed, err := gitChanges(ctx, dir)
	if err != nil {
		return Git{}, err
	}
	return Git{Revision: commit[:7], Slug: slugOf(strings.TrimSpace(remote)), Changed: changed}, nil
}

// gitChanges lists what differs from the commit below a folder. Ignored files are among them, as an image can hold them.
func gitChanges(ctx context.Context, dir string) ([]string, error) {
	prefix, err := git(ctx, dir, "rev-parse", "--show-prefix")
	if err != nil {
		return nil, err
	}
	out, err := git(ctx, dir, "status", "--porcelain", "-z", "--no-renames", "--ignored", "--untracked-files=normal", "--", ".")
	if err != nil {
		return nil, err
	}
	var changed []string
	for entry := range strings.SplitSeq(out, "\x00") {
		if len(entry) > 3 {
			changed = append(changed, strings.TrimPrefix(entry[3:], strings.TrimSpace(prefix)))
		}
	}
	return changed, nil
}

func git(ctx context.Context, dir string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", append([]string{"--no-optional-locks", "-C", dir}, arguments...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return "", fmt.Errorf("git %s in %s: %s", arguments[0], dir, strings.TrimSpace(stderr.String()))
	}
	return string(out), err
}

// slugOf shortens a remote's address to owner/name where it has that form, as addresses of GitHub do; CodeCommit's is a name.
func slugOf(remote string) string {
	text := strings.TrimSuffix(filepath.ToSlash(remote), ".git")
	if _, name, ok := strings.Cut(text, "/v1/repos/"); ok {
		return name
	}
	for _, host := range []string{"github.com/", "github.com:"} {
		if _, slug, ok := strings.Cut(text, host); ok {
			return slug
		}
	}
	return remote
}
