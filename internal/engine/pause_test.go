package engine

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
)

func TestPauseProgramIsAStaticExecutable(t *testing.T) {
	t.Parallel()
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		program, err := pauseProgram(arch)
		if err != nil {
			t.Fatal(err)
		}
		file, err := elf.NewFile(bytes.NewReader(program))
		if err != nil {
			t.Fatal(arch, err)
		}
		if file.Machine != machine || file.Type != elf.ET_EXEC || len(file.Progs) != 1 {
			t.Errorf("%s: %+v", arch, file.FileHeader)
		}
		segment := file.Progs[0]
		code := make([]byte, len(pauseCode[arch]))
		if _, err := segment.ReadAt(code, int64(file.Entry-segment.Vaddr)); err != nil || !bytes.Equal(code, pauseCode[arch]) {
			t.Errorf("%s: the entry point is not the code: %x, %v", arch, code, err)
		}
		if segment.Flags != elf.PF_R|elf.PF_X || segment.Filesz != uint64(len(program)) {
			t.Errorf("%s: segment %+v", arch, segment.ProgHeader)
		}
	}
	if _, err := pauseProgram("riscv64"); err == nil {
		t.Error("a program for riscv64")
	}
}

func TestPauseProgramSleepsUntilSIGTERM(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("a Linux program")
	}
	program, err := pauseProgram(runtime.GOARCH)
	if err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "pause")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path)
	if err := startWritten(command); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "it sleeps", func() bool {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(command.Process.Pid) + "/status")
		return err == nil && bytes.Contains(status, []byte("Name:\tpause\n")) && bytes.Contains(status, []byte("State:\tS"))
	})
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}

// startWritten starts a program just written, which the kernel refuses while a process forked meanwhile by another test
// still holds the file open for writing (https://go.dev/issue/22315).
func startWritten(command *exec.Cmd) error {
	for {
		err := command.Start()
		if !errors.Is(err, syscall.ETXTBSY) {
			return err
		}
		runtime.Gosched()
	}
}
