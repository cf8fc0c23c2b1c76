package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// PauseImage makes sure the engine has an image whose only program sleeps until SIGTERM or SIGINT, and returns its name.
// A container of it holds the network namespace that the containers of a task share. The image is made here, so that
// none has to be had from a registry: it is a static program of some 200 bytes.
func (e *Engine) PauseImage(ctx context.Context) (ref string, err error) {
	info, err := e.Info(ctx)
	if err != nil {
		return "", err
	}
	program, err := pauseProgram(info.Arch)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(program)
	ref = "localhost/slipway/pause:" + info.Arch + "-" + hex.EncodeToString(sum[:6])
	if has, err := e.HasImage(ctx, ref); has || err != nil {
		return ref, err
	}
	archive, err := scratchImage(ref, info.Arch, "pause", program)
	if err != nil {
		return "", err
	}
	_, err = e.Load(ctx, bytes.NewReader(archive))
	return ref, err
}

// pauseCode is the program in machine code. It blocks SIGINT and SIGTERM and waits for one of them: the kernel does not
// deliver a signal to process 1 that has no handler, but it does keep a blocked one for the process to take. 0x4002 is
// the set of both, bit n-1 for signal n; 8 the size of a set.
var pauseCode = map[string][]byte{
	"amd64": {
		0x68, 0x02, 0x40, 0x00, 0x00, // push 0x4002
		0x48, 0x89, 0xe6, // mov rsi, rsp
		0x31, 0xff, // xor edi, edi         SIG_BLOCK
		0x31, 0xd2, // xor edx, edx
		0x41, 0xba, 0x08, 0x00, 0x00, 0x00, // mov r10d, 8
		0xb8, 0x0e, 0x00, 0x00, 0x00, // mov eax, 14          rt_sigprocmask
		0x0f, 0x05, // syscall
		0x48, 0x89, 0xe7, // wait: mov rdi, rsp
		0x31, 0xf6, // xor esi, esi
		0x31, 0xd2, // xor edx, edx         no timeout
		0x41, 0xba, 0x08, 0x00, 0x00, 0x00, // mov r10d, 8
		0xb8, 0x80, 0x00, 0x00, 0x00, // mov eax, 128         rt_sigtimedwait
		0x0f, 0x05, // syscall
		0x85, 0xc0, // test eax, eax
		0x78, 0xe8, // js wait              interrupted
		0x31, 0xff, // xor edi, edi
		0xb8, 0x3c, 0x00, 0x00, 0x00, // mov eax, 60          exit
		0x0f, 0x05, // syscall
	},
	"arm64": instructions(
		0xd2880049, // mov x9, #0x4002
		0xf81f0fe9, // str x9, [sp, #-16]!
		0xd2800000, // mov x0, #0           SIG_BLOCK
		0x910003e1, // mov x1, sp
		0xd2800002, // mov x2, #0
		0xd2800103, // mov x3, #8
		0xd28010e8, // mov x8, #135         rt_sigprocmask
		0xd4000001, // svc #0
		0x910003e0, // wait: mov x0, sp
		0xd2800001, // mov x1, #0
		0xd2800002, // mov x2, #0           no timeout
		0xd2800103, // mov x3, #8
		0xd2801128, // mov x8, #137         rt_sigtimedwait
		0xd4000001, // svc #0
		0xb7ffff40, // tbnz x0, #63, wait   interrupted
		0xd2800000, // mov x0, #0
		0xd2800ba8, // mov x8, #93          exit
		0xd4000001, // svc #0
	),
}

func instructions(words ...uint32) []byte {
	var code []byte
	for _, word := range words {
		code = binary.LittleEndian.AppendUint32(code, word)
	}
	return code
}

// Of the ELF format (https://refspecs.linuxfoundation.org/elf/elf.pdf).
const (
	elfHeaderSize    = 64
	elfSegmentSize   = 56
	elfLoadAddress   = 0x400000
	elfPageSize      = 0x10000 // the largest of arm64, good for all
	elfMachineX86_64 = 62
	elfMachineARM64  = 183
)

// pauseProgram wraps the machine code in an ELF file of one segment, which holds the headers as well.
func pauseProgram(arch string) ([]byte, error) {
	code, ok := pauseCode[arch]
	if !ok {
		return nil, fmt.Errorf("make the pause image: no program for architecture %s", arch)
	}
	machine := uint16(elfMachineX86_64)
	if arch == "arm64" {
		machine = elfMachineARM64
	}
	size := uint64(elfHeaderSize + elfSegmentSize + len(code))
	le := binary.LittleEndian
	file := []byte{0x7f, 'E', 'L', 'F', 2 /* 64 bit */, 1 /* little endian */, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	file = le.AppendUint16(file, 2) // executable
	file = le.AppendUint16(file, machine)
	file = le.AppendUint32(file, 1)                                           // version
	file = le.AppendUint64(file, elfLoadAddress+elfHeaderSize+elfSegmentSize) // entry
	file = le.AppendUint64(file, elfHeaderSize)                               // segments follow the header
	file = le.AppendUint64(file, 0)                                           // no sections
	file = le.AppendUint32(file, 0)                                           // flags
	for _, n := range []uint16{elfHeaderSize, elfSegmentSize, 1, 0, 0, 0} {
		file = le.AppendUint16(file, n)
	}
	file = le.AppendUint32(file, 1) // load
	file = le.AppendUint32(file, 5) // read, execute
	for _, n := range []uint64{0, elfLoadAddress, elfLoadAddress, size, size, elfPageSize} {
		file = le.AppendUint64(file, n)
	}
	return append(file, code...), nil
}

// scratchImage archives an image of one file, /name, that is its entrypoint, in the format of `docker save`
// (https://github.com/moby/docker-image-spec/blob/main/spec.md#combined-image-json--filesystem-changeset-format).
func scratchImage(ref, arch, name string, program []byte) ([]byte, error) {
	layer, err := tarFiles(0o755, map[string][]byte{name: program}, name)
	if err != nil {
		return nil, err
	}
	layerSum := sha256.Sum256(layer)
	config, configErr := json.Marshal(map[string]any{
		"architecture": arch, "os": "linux", "created": "1970-01-01T00:00:00Z",
		"config":  map[string]any{"Entrypoint": []string{"/" + name}},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(layerSum[:])}},
		"history": []any{map[string]any{"created": "1970-01-01T00:00:00Z", "created_by": "slipway"}},
	})
	configSum := sha256.Sum256(config)
	configName := hex.EncodeToString(configSum[:]) + ".json"
	manifest, manifestErr := json.Marshal([]any{map[string]any{
		"Config": configName, "RepoTags": []string{ref}, "Layers": []string{"layer.tar"},
	}})
	if err := errors.Join(configErr, manifestErr); err != nil {
		return nil, err
	}
	files := map[string][]byte{configName: config, "layer.tar": layer, "manifest.json": manifest}
	return tarFiles(0o644, files, configName, "layer.tar", "manifest.json")
}

func tarFiles(mode int64, files map[string][]byte, order ...string) ([]byte, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, name := range order {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(files[name]))}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return archive.Bytes(), nil
}
